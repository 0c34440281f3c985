import { BridgeError } from "../errors.js";
import type { Recovered } from "./journal.js";
import { formatLine, type ReadLines, readLines } from "./journal-lines.js";
import type { Remembered } from "./memory.js";
import { formatRecord, parseRecord } from "./record.js";

/** What a journal is for: one runtime, told by its name and by the socket that we reach it through. */
export interface JournalKey {
  readonly runtime: string;
  readonly socket: string;
}

/** A journal of another version is refused: this one would read it wrongly, or drop what it does not know. */
const version = 1;

interface Entry {
  /** The create's line, kept as text: a rewrite of the journal costs nothing but the writing. */
  readonly line: string;
  stage: Recovered["stage"];
  /** The line that says so; "" for an open one. */
  stageLine: string;
}

/**
 * What the journal amounts to: the latest of each id. It is told of each change and gives the line to append for it, and
 * `text` is the shortest journal that amounts to the same.
 */
export class Image {
  private readonly entries = new Map<string, Entry>();
  private readonly header: string;

  constructor(key: JournalKey) {
    this.header = formatLine(formatRecord({ type: "header", version, ...key }));
  }

  begin(remembered: Remembered): string {
    const line = formatLine(formatRecord({ type: "create-begun", remembered }));
    this.entries.set(remembered.id, { line, stage: "open", stageLine: "" });
    return line;
  }

  /** The lines of what happened to an id; "" when that is nothing new. */
  deleteBegun(id: string): string {
    return this.advance(id, "rerun");
  }

  deleteDone(id: string): string {
    return this.advance(id, "deleted");
  }

  forget(id: string): string {
    return this.entries.delete(id) ? formatLine(formatRecord({ type: "forgotten", id })) : "";
  }

  /** Takes over what another journal holds and this one does not know of. */
  adopt(recovered: readonly Recovered[]): Recovered[] {
    const news = recovered.filter(({ remembered }) => !this.entries.has(remembered.id));
    for (const { remembered, stage } of news) {
      this.begin(remembered);
      if (stage !== "open") this.advance(remembered.id, stage);
    }
    return news;
  }

  text(): string {
    return this.parts().join("");
  }

  /** The same in pieces: on a full node the whole is too long to be made or written in one go. */
  parts(): string[] {
    const parts = [this.header];
    for (const { line, stageLine } of this.entries.values()) {
      parts.push(line);
      if (stageLine !== "") parts.push(stageLine);
    }
    return parts;
  }

  get size(): number {
    return this.entries.size;
  }

  private advance(id: string, stage: "rerun" | "deleted"): string {
    const entry = this.entries.get(id);
    if (entry === undefined || entry.stage === stage) return "";
    entry.stage = stage;
    entry.stageLine = formatStage(id, stage);
    return entry.stageLine;
  }
}

function formatStage(id: string, stage: "rerun" | "deleted"): string {
  return formatLine(formatRecord({ type: stage === "rerun" ? "delete-begun" : "delete-done", id }));
}

/** What is left of a journal, and of its file. */
export interface Recovery extends Pick<ReadLines, "soundBytes" | "damage"> {
  readonly entries: readonly Recovered[];
}

/**
 * What the bytes of a journal say. The last line may have been cut short by a crash. Where a disk has spoilt others, what is
 * sound still holds: a delete may come twice then, where without all of it many would not come at all.
 *
 * @throws BridgeError STATE when it has no sound beginning, is of another version, or another runtime's
 */
export function recover(bytes: Uint8Array, key: JournalKey): Recovery {
  const { records, soundBytes, damage } = readLines(bytes);
  const [first, ...rest] = records;
  if (first === undefined) {
    // Cut short in its header, a journal is as good as new; anything else is no journal of ours.
    const header = Buffer.from(new Image(key).text());
    if (header.subarray(0, bytes.length).equals(bytes)) return { entries: [], soundBytes, damage };
    throw new BridgeError("STATE", "the journal is damaged from its beginning");
  }
  checkHeader(first, key);
  const found = new Map<string, Recovered>();
  for (const body of rest) {
    const record = parseRecord(body);
    if (record === undefined || record.type === "header") continue;
    if (record.type === "create-begun") {
      found.set(record.remembered.id, { remembered: record.remembered, stage: "open" });
      continue;
    }
    const entry = found.get(record.id);
    if (entry === undefined) continue;
    if (record.type === "forgotten") found.delete(record.id);
    else found.set(record.id, { ...entry, stage: record.type === "delete-begun" ? "rerun" : "deleted" });
  }
  return { entries: [...found.values()], soundBytes, damage };
}

function checkHeader(body: string, key: JournalKey): void {
  const header = parseRecord(body);
  if (header?.type !== "header") throw new BridgeError("STATE", "the journal does not begin with its header");
  if (header.version !== version) {
    throw new BridgeError("STATE", `the journal is of version ${header.version}, not ${version}`);
  }
  if (header.runtime !== key.runtime || header.socket !== key.socket) {
    throw new BridgeError("STATE", `the journal is of ${header.runtime} at ${header.socket}`);
  }
}
