import { basename, dirname } from "node:path";
import { BridgeError } from "../errors.js";
import { synchronizeRequest } from "../nri/codec.js";
import { decodeEvent } from "../nri/events.js";
import { type Case, parseEvent, type RecordedEvent, readCase } from "../replay/case.js";
import { kindOf, readFile } from "../replay/case-files.js";

/** Events to explain, with everything that came before them. */
export interface Given {
  readonly played: Case;
  /** The indexes of the events that are asked about. */
  readonly wanted: ReadonlySet<number>;
  /** What is not known, and what was assumed in its place. */
  readonly unknown: readonly string[];
  /** Of a pod or container that runs here, and no recording. */
  readonly live: boolean;
}

/**
 * What an argument means: a case folder, `FOLDER:N` for its N-th event, a file of one event, or a file of events one a
 * line, `:N` as well.
 * @throws BridgeError USAGE
 */
export function readGiven(argument: string): Given {
  const [, path = argument, number] = kindOf(argument) !== undefined ? [] : (/^(.*):(\d+)$/.exec(argument) ?? []);
  const kind = kindOf(path);
  if (kind === undefined) {
    throw new BridgeError(
      "USAGE",
      `${path}: no such file or folder; give an event as record writes it, or a case folder`,
    );
  }
  const given = fromPath(path, kind);
  if (number === undefined) return given;
  const index = Number(number);
  if (!given.played.events.some((event) => event.index === index)) {
    throw new BridgeError("USAGE", `${argument}: there are ${given.played.events.length} events, 1 is the first`);
  }
  return { ...given, wanted: new Set([index]) };
}

function fromPath(path: string, kind: "folder" | "file"): Given {
  const folder = kind === "folder" ? path : undefined;
  // The file of a case is the case: its conf.json and its bundles lie beside it.
  const beside = basename(path) === "events.jsonl" ? dirname(path) : undefined;
  const place = folder ?? beside;
  if (place !== undefined) {
    const played = readCase(place);
    return { played, wanted: new Set(played.events.map(({ index }) => index)), unknown: [], live: false };
  }
  return fromEvents(readEventFile(path), basename(path));
}

function readEventFile(path: string): RecordedEvent[] {
  const text = readFile(path).toString("utf8");
  if (isOneValue(text)) return [parseEvent(text, 1, path)];
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, at) => parseEvent(line, at + 1, `${path}:${at + 1}`));
}

/** A file that was formatted for reading is one event, too. */
function isOneValue(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Events without a case: what they speak of and nobody created is taken for created, as the bridge does at its start. */
function fromEvents(events: readonly RecordedEvent[], name: string): Given {
  const [first] = events;
  if (first === undefined) throw new BridgeError("USAGE", `${name}: it holds no event`);
  const runtime = { name: "containerd", version: "v1.7.24", dialect: "state-change" } as const;
  const before = createdBefore(first);
  const shifted =
    before === undefined ? events : [before, ...events.map((event) => ({ ...event, index: event.index + 1 }))];
  const own = shifted.filter((event) => event !== before);
  return {
    played: { name, title: name, events: shifted, confs: [], bundles: [], runtime },
    wanted: new Set(own.map(({ index }) => index)),
    unknown:
      before === undefined
        ? []
        : ["the create of this pod or container: pid and spec of its time are taken from this event"],
    live: false,
  };
}

function createdBefore(event: RecordedEvent): RecordedEvent | undefined {
  const decoded = decodeEvent(event.method, event.payload);
  if (decoded === undefined || ["RunPodSandbox", "CreateContainer", "StartContainer"].includes(decoded.name))
    return undefined;
  const containers = "container" in decoded ? [decoded.container] : [];
  const payload = synchronizeRequest.encode({ pods: [decoded.pod], containers, more: false });
  return { index: 1, method: "Synchronize", timeoutNano: event.timeoutNano, metadata: [], payload };
}
