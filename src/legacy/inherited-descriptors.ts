import { closeSync, readdirSync, readFileSync } from "node:fs";

const closeOnExec = 0o2000000;

/**
 * Closes the descriptors that we were started with and that nobody here knows, so that no plugin inherits them.
 *
 * Node opens everything close-on-exec, and at its start marks what it inherits, but only up to the first gap from 16 on.
 * A descriptor without the mark is thus such a stray one. One that the runtime hands us on purpose is low, and marked.
 */
export function closeInheritedDescriptors(): number[] {
  const strays = readdirSync("/proc/self/fdinfo")
    .map(Number)
    .filter((descriptor) => descriptor > 2 && survivesExec(descriptor));
  for (const descriptor of strays) closeSync(descriptor);
  return strays;
}

function survivesExec(descriptor: number): boolean {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1");
    const flags = /^flags:\s*([0-7]+)$/m.exec(info)?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0;
  } catch {
    // The one that listed the directory.
    return false;
  }
}
