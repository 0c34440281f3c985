import { readdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import * as z from "zod/mini";
import { BridgeError, errorText, fileFault } from "../../base/errors.js";
import { readRegularFile } from "../../base/files.js";
import { describeFault } from "../../config/parse.js";
import { synchronizeRequest } from "../../nri/codec.js";
import { decodeEvent } from "../../nri/events.js";
import { inferNriVersion, parseVersion } from "../../nri/versions.js";
import { parseConfigList } from "../../v01/config-list.js";
import type { ConfigList } from "../../v01/types.js";

export interface RecordedEvent {
  /** The event's number in the recording; the first one is 1. */
  readonly index: number;
  readonly method: string;
  readonly timeoutNano: bigint;
  readonly metadata: readonly (readonly [string, string])[];
  /** The protobuf request, byte for byte. */
  readonly payload: Uint8Array;
}

/** A scenario to play: what a runtime sent, with the configuration and the bundles of that time. */
export interface Case {
  readonly name: string;
  readonly title: string;
  readonly events: readonly RecordedEvent[];
  /** Each conf.json with its path and the first event for which it holds. `text` is undefined when there was no file. */
  readonly confs: readonly {
    readonly fromEvent: number;
    readonly file: string;
    readonly text: Uint8Array | undefined;
  }[];
  readonly bundles: readonly { readonly path: string; readonly bytes: Uint8Array }[];
  readonly runtime: z.infer<typeof runtimeSchema>;
}

const runtimeSchema = z.object({
  name: z.string(),
  version: z.string(),
  /** The NRI version, when it does not follow from the runtime's name and version. */
  nri: z.optional(z.string()),
  dialect: z.enum(["state-change", "dedicated"]),
});

const caseSchema = z.object({
  title: z.optional(z.string()),
  eventsFrom: z.optional(z.string()),
  confs: z.optional(z.array(z.object({ fromEvent: z.int().check(z.minimum(1)), file: z.string() }))),
  runtime: z.optional(runtimeSchema),
});

const eventSchema = z.object({
  method: z.string(),
  timeoutNano: z.string().check(z.regex(/^\d{1,19}$/, { error: "a whole number in quotes" })),
  metadata: z.nullish(z.array(z.object({ key: z.string(), value: z.string() }))),
  payloadBase64: z.base64({ error: "base64" }),
});

/**
 * Reads a case (case.json, events.jsonl, conf.json, bundles/), or a recording as it is (events.jsonl, bundle-*.json).
 * @throws BridgeError USAGE, with the file and the line, when a file is missing or not valid
 */
export function readCase(folder: string): Case {
  const name = basename(resolve(folder));
  const kind = kindOf(folder);
  if (kind !== "folder") {
    const what = kind === undefined ? "no such folder" : "it is a file";
    throw new BridgeError("USAGE", `${folder}: ${what}; a case is a folder with events.jsonl`);
  }
  const description = join(folder, "case.json");
  const about = parseJson(readIfThere(description)?.toString("utf8") ?? "{}", caseSchema, description);
  const from = about.eventsFrom === undefined ? folder : join(folder, "..", about.eventsFrom);
  const events = join(from, "events.jsonl");
  const confs = about.confs ?? [{ fromEvent: 1, file: "conf.json" }];
  return {
    name,
    title: about.title ?? name,
    events: parseEvents(readFile(events).toString("utf8"), events),
    confs: confs.map(({ fromEvent, file }) => {
      const path = join(folder, file);
      return { fromEvent, file: path, text: readIfThere(path) };
    }),
    bundles: readBundles(from),
    runtime: readRuntime(about.runtime, description),
  };
}

const usualRuntime: Case["runtime"] = { name: "containerd", version: "v1.7.24", dialect: "state-change" };

/** @throws BridgeError USAGE, with the file, when the runtime's NRI version is not known */
function readRuntime(stated: Case["runtime"] = usualRuntime, file: string): Case["runtime"] {
  const { nri, ...runtime } = stated;
  // For a released version our table gives the NRI version. For a development build the case has to state `nri`.
  if (inferNriVersion(runtime.name, runtime.version) !== undefined) return runtime;
  if (nri !== undefined && parseVersion(nri) !== undefined) return stated;
  const what = `the NRI version of ${runtime.name} ${runtime.version} is not known`;
  throw new BridgeError("USAGE", `${file}: ${what}: set runtime.nri to it`);
}

/**
 * Parses the text of events.jsonl, which has one event on each line.
 * @throws BridgeError USAGE, with the line, when a line is not a valid event
 */
export function parseEvents(text: string, file: string): RecordedEvent[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, at) => {
    const where = `${file}:${at + 1}`;
    const { method, timeoutNano, metadata, payloadBase64 } = parseJson(line, eventSchema, where);
    const payload = Buffer.from(payloadBase64, "base64");
    try {
      if (method === "Synchronize") synchronizeRequest.decode(payload);
      else decodeEvent(method, payload);
    } catch (error) {
      const fault = `the event's payload is not a ${method} request of NRI: ${errorText(error)}`;
      throw new BridgeError("USAGE", `${where}: ${fault}`);
    }
    const pairs = (metadata ?? []).map(({ key, value }) => [key, value] as const);
    return { index: at + 1, method, timeoutNano: BigInt(timeoutNano), metadata: pairs, payload };
  });
}

export function withConf(played: Case, file: string, text: Uint8Array | undefined): Case {
  return { ...played, confs: [{ fromEvent: 1, file, text }] };
}

/** Parses a conf.json. @throws BridgeError USAGE, with the file and the place of the fault, when it is not valid */
export function readConfList(text: Uint8Array, file: string): ConfigList {
  try {
    return parseConfigList(text);
  } catch (error) {
    const { line, column } = error instanceof BridgeError ? error.fields : {};
    const where = typeof line === "number" && typeof column === "number" ? `:${line}:${column}` : "";
    throw new BridgeError("USAGE", `${file}${where}: ${errorText(error)}`);
  }
}

function readBundles(folder: string): Case["bundles"] {
  const inside = join(folder, "bundles");
  const names = listIfThere(inside);
  const files =
    names?.map((name) => join(inside, name)) ??
    (listIfThere(folder) ?? []).filter((name) => /^bundle-.*\.json$/.test(name)).map((name) => join(folder, name));
  // A bundle that was recorded after an update is good too: the runtime does not rewrite a bundle for an update.
  return files.map((path) => ({ path, bytes: readFile(path) }));
}

/**
 * Parses JSON text that has to fit a schema.
 * @throws BridgeError USAGE, with `where` and what was expected, when the text is no JSON or does not fit
 */
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

/** The largest file to read, in bytes. Events are read as one string, and Node allows no longer string. */
const maxBytes = 512 * 1024 * 1024;

/**
 * Reads a whole file.
 * @param flag the command line flag that named the path; the error text begins with it
 * @throws BridgeError USAGE, with the path and the reason, when the file cannot be read
 */
export function readFile(path: string, flag?: string): Buffer {
  return orUsage(flag === undefined ? path : `${flag}: ${path}`, () => readRegularFile(path, maxBytes));
}

/** Reads a whole file; undefined when it does not exist. @throws BridgeError USAGE when it cannot be read */
export function readIfThere(path: string): Buffer | undefined {
  return kindOf(path) === undefined ? undefined : readFile(path);
}

/** The sorted names in a folder; undefined when it does not exist. @throws BridgeError USAGE when it cannot be read */
export function listIfThere(path: string): readonly string[] | undefined {
  return kindOf(path) === undefined ? undefined : orUsage(path, () => readdirSync(path).sort());
}

/** What is at a path; undefined when nothing is. @throws BridgeError USAGE when stat(2) fails for another reason */
export function kindOf(path: string): "folder" | "file" | undefined {
  const stats = orUsage(path, () => statSync(path, { throwIfNoEntry: false }));
  return stats && (stats.isDirectory() ? "folder" : "file");
}

function orUsage<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new BridgeError("USAGE", `${path}: ${fileFault(error)}`);
  }
}
