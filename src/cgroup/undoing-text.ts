/**
 * What a line is set to that a device has none of by itself: the file shows the devices that were set alone, and to write its
 * former text again removes no line (Documentation/admin-guide/cgroup-v2.rst, block/blk-throttle.c, blk-iolatency.c).
 */
const unsetLines: Readonly<Record<string, string>> = {
  "io.max": "rbps=max wbps=max riops=max wiops=max",
  "io.latency": "target=0",
  "io.weight": "default",
  "io.bfq.weight": "default",
};

/** What to write to a file to have its former text again, after another one was written. */
export function undoingText(file: string, former: string, written: string): string {
  const unset = unsetLines[file];
  // A write of no bytes is none; a cpuset is emptied by a newline.
  if (unset === undefined) return former === "" ? "\n" : former;
  const devicesOf = (text: string) => text.split("\n").flatMap((line) => /^\s*(\d+:\d+)(?=\s)/.exec(line)?.[1] ?? []);
  const known = new Set(devicesOf(former));
  const added = [...new Set(devicesOf(written))].filter((device) => !known.has(device));
  return [...former.split("\n").filter((line) => line !== ""), ...added.map((device) => `${device} ${unset}`)].join(
    "\n",
  );
}
