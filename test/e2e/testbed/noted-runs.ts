/** One line of the log that plugins/chaosplugin.c keeps of its runs. */
export interface NotedRun {
  readonly plugin: string;
  readonly state: string;
  readonly id: string;
  readonly atMs: number;
}

/** The runs of a log, in order. */
export function parseNotedRuns(text: string): NotedRun[] {
  return text.split("\n").flatMap((line) => {
    const [plugin, state, id, nanoseconds] = line.split(" ");
    if (plugin === undefined || state === undefined || id === undefined || nanoseconds === undefined) return [];
    return [{ plugin, state, id, atMs: Number(BigInt(nanoseconds) / 1_000_000n) }];
  });
}
