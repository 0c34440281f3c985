import type { Bridge } from "./bridge.js";

/** A line of the bridge's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** What a bridge logged, line by line; a line that was cut short by its end is left out. */
export function readLog(bridge: Bridge): LogLine[] {
  return bridge
    .log()
    .split("\n")
    .flatMap((line) => {
      try {
        const value: unknown = JSON.parse(line);
        return typeof value === "object" && value !== null ? [Object.fromEntries(Object.entries(value))] : [];
      } catch {
        return [];
      }
    });
}

/** The lines that say one sentence. */
export function linesThatSay(bridge: Bridge, sentence: string): LogLine[] {
  return readLog(bridge).filter(({ msg }) => msg === sentence);
}

/** When a line was written, in milliseconds since the epoch. */
export function atMs({ time }: LogLine): number {
  return Date.parse(String(time));
}
