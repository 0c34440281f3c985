import { openNative } from "../../src/host/native.js";

const rlimitNofile = 7;

/** Does something while the system gives this process no descriptor: EMFILE, for real. */
export function withoutDescriptors<Value>(work: () => Value): Value {
  const { libc } = openNative();
  // struct rlimit: the limit that holds, and how far it may be raised.
  const before = new BigUint64Array(2);
  const none = new BigUint64Array(2);
  if (libc.prlimit(0, rlimitNofile, null, before) !== 0) throw new Error(`prlimit: ${libc.lastError()}`);
  none[1] = before[1] ?? 0n;
  if (libc.prlimit(0, rlimitNofile, none, null) !== 0) throw new Error(`prlimit: ${libc.lastError()}`);
  try {
    return work();
  } finally {
    libc.prlimit(0, rlimitNofile, before, null);
  }
}
