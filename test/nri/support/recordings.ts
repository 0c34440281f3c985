import { existsSync, readdirSync, readFileSync } from "node:fs";

/** One call of a recorded runtime to its plugin. */
export interface RecordedCall {
  readonly where: string;
  readonly method: string;
  readonly timeoutNano: bigint;
  readonly metadata: readonly (readonly [string, string])[];
  readonly payload: Uint8Array;
  /** The request in protobuf's JSON form with the schema's names, printed by another implementation. */
  readonly body: unknown;
}

/** Every recorded call of the fixtures, case by case in order. */
export function recordedCalls(): RecordedCall[] {
  const root = new URL("../../../fixtures/cases/", import.meta.url);
  const files = readdirSync(root)
    .map((name) => `${name}/events.jsonl`)
    .filter((file) => existsSync(new URL(file, root)))
    .sort();
  return files.flatMap((file) =>
    readFileSync(new URL(file, root), "utf8")
      .trim()
      .split("\n")
      .map((line, index) => callOf(`${file}:${index + 1}`, JSON.parse(line))),
  );
}

function callOf(where: string, line: Line): RecordedCall {
  return {
    where,
    method: line.method,
    timeoutNano: BigInt(line.timeoutNano),
    metadata: (line.metadata ?? []).map(({ key, value }) => [key, value] as const),
    payload: Buffer.from(line.payloadBase64, "base64"),
    body: line.body,
  };
}

interface Line {
  method: string;
  timeoutNano: string;
  metadata: { key: string; value: string }[] | null;
  payloadBase64: string;
  body: unknown;
}
