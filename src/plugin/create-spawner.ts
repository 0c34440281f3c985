import { errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import { type Native, openNative } from "../host/native.js";
import { createFfiSpawner } from "./ffi-spawner.js";
import { createPortableSpawner } from "./portable-spawner.js";
import type { Spawner } from "./spawner.js";
import type { RunningProcess } from "./supervise.js";

/**
 * The fastest spawner that works on this machine; says so in the log when that is not the fast one.
 *
 * @param onStart told of each process as soon as it is there
 */
export function createSpawner(
  log: Log,
  open: () => Native = openNative,
  onStart?: (process: RunningProcess) => void,
): Spawner {
  let told = false;
  const onCrowded = (pid: number, most: number) => {
    if (!told)
      log.warn(
        { pid, most },
        "too many plugins left processes that hold their output: the oldest are not read any more",
      );
    told = true;
  };
  try {
    return createFfiSpawner(open(), undefined, onStart, onCrowded);
  } catch (thrown) {
    const reason = errorText(thrown).split("\n", 1)[0];
    log.warn(
      { reason },
      "plugins are started in the portable way: slower, and /dev/stdin, /dev/stdout and /dev/stderr cannot be opened",
    );
    return createPortableSpawner(onStart, onCrowded);
  }
}
