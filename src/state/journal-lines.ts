import { crc32 } from "node:zlib";

/**
 * A line of the journal: the CRC-32 of the record in eight hexadecimal digits, a blank, the record, a line end. A write
 * that a crash has cut short does not end so, and what a broken disk gives back has another checksum.
 *
 *   e3069283 {"type":"delete-done","id":"0c4f..."}
 */
export function formatLine(record: string): string {
  return `${checksum(record)} ${record}\n`;
}

/** What is left of a journal's lines. */
export interface ReadLines {
  /** The records of all sound lines, in order. */
  readonly records: readonly string[];
  /** How many bytes come before the first damage. */
  readonly soundBytes: number;
  /**
   * `tail`: the last write was cut short, which a crash does. `middle`: sound lines come after unsound ones, which
   * only a broken disk does.
   */
  readonly damage: "none" | "tail" | "middle";
}

export function readLines(bytes: Uint8Array): ReadLines {
  const records: string[] = [];
  let damage: ReadLines["damage"] = "none";
  let soundBytes = 0;
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(lineEnd, start);
    const record = end < 0 ? undefined : readLine(bytes.subarray(start, end));
    start = end < 0 ? bytes.length : end + 1;
    if (record === undefined) {
      if (damage === "none") damage = "tail";
      continue;
    }
    records.push(record);
    if (damage === "none") soundBytes = start;
    else damage = "middle";
  }
  return { records, soundBytes, damage };
}

const lineEnd = 0x0a;
const checksumLength = 8;

function readLine(line: Uint8Array): string | undefined {
  const text = Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString("utf8");
  const record = text.slice(checksumLength + 1);
  return text === `${checksum(record)} ${record}` ? record : undefined;
}

function checksum(record: string): string {
  return crc32(record).toString(16).padStart(checksumLength, "0");
}
