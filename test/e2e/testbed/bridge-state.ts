import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { recover } from "../../../src/state/image.js";
import type { Recovered } from "../../../src/state/journal.js";
import { readLines } from "../../../src/state/journal-lines.js";
import { parseRecord } from "../../../src/state/record.js";
import type { Daemon } from "./daemon.js";

/** Where the bridge keeps its state if it is not told otherwise, as the daemon sees it. */
export const stateDirectory = "/var/lib/nri-v01-bridge";

/** The names in the bridge's state directory. */
export function listState(daemon: Daemon, directory = stateDirectory): string[] {
  return readdirSync(daemon.path(directory)).sort();
}

/** What a bridge that started now would find in the journals of a state directory. */
export function readJournals(daemon: Daemon, directory = stateDirectory): Recovered[] {
  return readJournalsIn(daemon.path(directory));
}

/** The same of a directory of this machine. */
export function readJournalsIn(directory: string): Recovered[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".journal"))
    .flatMap((name) => {
      const bytes = readFileSync(join(directory, name));
      const header = parseRecord(readLines(bytes).records[0] ?? "{}");
      return header?.type === "header" ? recover(bytes, header).entries : [];
    });
}
