import { basename, join, resolve } from "node:path";
import * as z from "zod/mini";
import { describeFault } from "../config/issue.js";
import { BridgeError, errorText } from "../errors.js";
import { synchronizeRequest } from "../nri/codec.js";
import { decodeEvent } from "../nri/events.js";
import { kindOf, listIfThere, readFile, readIfThere } from "./case-files.js";

/** One recorded NRI call. */
export interface RecordedEvent {
  /** 1 is the first of the recording. */
  readonly index: number;
  readonly method: string;
  readonly timeoutNano: bigint;
  readonly metadata: readonly (readonly [string, string])[];
  /** The protobuf request, byte for byte. */
  readonly payload: Uint8Array;
}

/** A conf.json and the event from which it holds; undefined where there was no file. */
export interface RecordedConf {
  readonly fromEvent: number;
  /** Where it was read. */
  readonly file?: string | undefined;
  readonly text: Uint8Array | undefined;
}

/** A scenario that can be played: what the runtime sent, with the configuration and the bundles of the time. */
export interface Case {
  readonly name: string;
  readonly title: string;
  readonly events: readonly RecordedEvent[];
  readonly confs: readonly RecordedConf[];
  readonly bundles: readonly { readonly path: string; readonly bytes: Uint8Array }[];
  readonly runtime: {
    readonly name: string;
    readonly version: string;
    /** The NRI version; told by name and version where it is not given. */
    readonly nri?: string | undefined;
    readonly dialect: "state-change" | "dedicated";
  };
}

const caseSchema = z.object({
  title: z.optional(z.string()),
  eventsFrom: z.optional(z.string()),
  confs: z.optional(z.array(z.object({ fromEvent: z.int().check(z.minimum(1)), file: z.string() }))),
  runtime: z.optional(
    z.object({
      name: z.string(),
      version: z.string(),
      nri: z.optional(z.string()),
      dialect: z.enum(["state-change", "dedicated"]),
    }),
  ),
});

const eventSchema = z.object({
  method: z.string(),
  timeoutNano: z.string().check(z.regex(/^\d{1,19}$/, { error: "a whole number in quotes" })),
  metadata: z.nullish(z.array(z.object({ key: z.string(), value: z.string() }))),
  payloadBase64: z.base64({ error: "base64" }),
});

/**
 * Reads a folder in the case format (case.json, events.jsonl, conf.json, bundles/), or a recording as it is
 * (events.jsonl, bundle-*.json).
 * @throws BridgeError USAGE that names the file and the line
 */
export function readCase(folder: string): Case {
  const name = basename(resolve(folder));
  const kind = kindOf(folder);
  if (kind !== "folder") {
    const what = kind === undefined ? "no such folder" : "it is a file";
    throw new BridgeError("USAGE", `${folder}: ${what}; a case is a folder with events.jsonl`);
  }
  const about = parseFile(join(folder, "case.json"), caseSchema) ?? {};
  const from = about.eventsFrom === undefined ? folder : join(folder, "..", about.eventsFrom);
  const confs = about.confs ?? [{ fromEvent: 1, file: "conf.json" }];
  return {
    name,
    title: about.title ?? name,
    events: readEvents(join(from, "events.jsonl")),
    confs: confs.map(({ fromEvent, file }) => {
      const path = join(folder, file);
      return { fromEvent, file: path, text: readIfThere(path) };
    }),
    bundles: readBundles(from),
    runtime: about.runtime ?? { name: "containerd", version: "v1.7.24", dialect: "state-change" },
  };
}

function readEvents(file: string): RecordedEvent[] {
  const text = readIfThere(file)?.toString("utf8");
  if (text === undefined)
    throw new BridgeError("USAGE", `${file}: no such file; a case holds its events there, one a line`);
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line, at) => parseEvent(line, at + 1, `${file}:${at + 1}`));
}

/** Reads one line of events.jsonl. @throws BridgeError USAGE that names the place */
export function parseEvent(line: string, index: number, where: string): RecordedEvent {
  const event = parseJson(line, eventSchema, where);
  const payload = Buffer.from(event.payloadBase64, "base64");
  requireRequest(event.method, payload, where);
  return {
    index,
    method: event.method,
    timeoutNano: BigInt(event.timeoutNano),
    metadata: (event.metadata ?? []).map(({ key, value }) => [key, value]),
    payload,
  };
}

function requireRequest(method: string, payload: Uint8Array, where: string): void {
  try {
    if (method === "Synchronize") synchronizeRequest.decode(payload);
    else decodeEvent(method, payload);
  } catch (error) {
    throw new BridgeError("USAGE", `${where}: the event's payload is no ${method} request of NRI: ${errorText(error)}`);
  }
}

function readBundles(folder: string): Case["bundles"] {
  const inside = join(folder, "bundles");
  const names = listIfThere(inside);
  const files =
    names?.map((name) => join(inside, name)) ??
    (listIfThere(folder) ?? []).filter((name) => /^bundle-.*\.json$/.test(name)).map((name) => join(folder, name));
  // One that was read after an update serves too: an update does not rewrite the bundle.
  return files.map((path) => ({ path, bytes: readFile(path) }));
}

function parseFile<T>(file: string, schema: z.ZodMiniType<T>): T | undefined {
  const text = readIfThere(file)?.toString("utf8");
  return text === undefined ? undefined : parseJson(text, schema, file);
}

/** @throws BridgeError USAGE that names the place, and what was expected */
export function parseJson<T>(text: string, schema: z.ZodMiniType<T>, where: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BridgeError("USAGE", `${where}: ${errorText(error)}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new BridgeError("USAGE", `${where}: ${issue === undefined ? "no case" : describeFault(issue, value)}`);
}
