import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";

/** Where the bridge keeps its state if it is not told otherwise, as the daemon sees it. */
export const stateDirectory = "/var/lib/nri-v01-bridge";

/** What a journal says of a pod or container. `rerun`: a delete has begun, and not ended. */
export interface Recovered {
  readonly remembered: { readonly id: string; readonly kind: string };
  readonly stage: "open" | "rerun" | "deleted";
}

/** What a bridge that started now would find in the journals of a state directory, as this machine calls it. */
export function readJournalsIn(directory: string): Recovered[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".journal"))
    .flatMap((name) => readJournal(readFileSync(join(directory, name))));
}

/**
 * Reads a journal without the bridge's own code, by what its files are: lines of a CRC-32 in eight hexadecimal digits, a
 * blank, and a record as JSON. The first is `header`; the others say what became of an id: `create-begun` (with `kind`),
 * `delete-begun`, `delete-done`, `forgotten`. A line that a crash has cut short counts for nothing.
 */
function readJournal(bytes: Buffer): Recovered[] {
  const found = new Map<string, Recovered>();
  for (const line of bytes.toString("latin1").split("\n").slice(0, -1)) {
    const record = Buffer.from(line.slice(9), "latin1");
    if (line.slice(0, 9) !== `${crc32(record).toString(16).padStart(8, "0")} `) continue;
    const { type, id, kind } = JSON.parse(record.toString("utf8"));
    const known = found.get(id);
    if (type === "create-begun") found.set(id, { remembered: { id, kind }, stage: "open" });
    else if (type === "forgotten") found.delete(id);
    else if (known !== undefined) found.set(id, { ...known, stage: type === "delete-begun" ? "rerun" : "deleted" });
  }
  return [...found.values()];
}
