import { basename, dirname } from "node:path";
import { attempt, BridgeError } from "../../base/errors.js";
import type { PartialConfig } from "../../config/schema.js";
import { synchronizeRequest } from "../../nri/codec.js";
import { decodeEvent } from "../../nri/events.js";
import {
  type Case,
  kindOf,
  parseEvent,
  parseEvents,
  type RecordedEvent,
  readCase,
  readFile,
  readIfThere,
  withConf,
} from "../replay/case.js";

/** Events to explain, with everything that came before them. */
export interface Given {
  readonly played: Case;
  /** The indexes of the events that are asked about. */
  readonly wanted: ReadonlySet<number>;
  /** What its conf.json is called. */
  readonly confName: string;
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
  // The file of a case is the case: its conf.json and its bundles lie beside it.
  const folder = kind === "folder" ? path : basename(path) === "events.jsonl" ? dirname(path) : undefined;
  const given = folder === undefined ? fromEvents(path) : givenOf(readCase(folder));
  if (number === undefined) return given;
  const index = Number(number);
  if (!given.wanted.has(index)) {
    throw new BridgeError("USAGE", `${argument}: there are ${given.wanted.size} events, 1 is the first`);
  }
  return { ...given, wanted: new Set([index]) };
}

/** All events of a case. */
export function givenOf(played: Case): Given {
  const wanted = new Set(played.events.map(({ index }) => index));
  return { played, wanted, confName: `conf.json of ${played.name}`, unknown: [], live: false };
}

/**
 * A case has a conf.json of its own; everything else runs with the node's, or that of --conf.
 * @throws BridgeError USAGE that names the file
 */
export function withNodeConf(given: Given, flags: PartialConfig, confFile: string): Given {
  if (flags.confFile === undefined && given.played.confs.length > 0) return given;
  const text = flags.confFile === undefined ? readIfThere(confFile) : readFile(confFile);
  return { ...given, played: withConf(given.played, confFile, text), confName: confFile };
}

/** A file of events, one a line; one that was formatted for reading is one event. */
function readEventFile(path: string): RecordedEvent[] {
  const text = readFile(path).toString("utf8");
  return attempt((): unknown => JSON.parse(text)) !== undefined ? [parseEvent(text, 1, path)] : parseEvents(text, path);
}

/** Events without a case. What they speak of and do not create is taken for created, as the bridge does at its start. */
function fromEvents(path: string): Given {
  const events = readEventFile(path);
  const [first] = events;
  if (first === undefined) throw new BridgeError("USAGE", `${path}: it holds no event`);
  const name = basename(path);
  const runtime = { name: "containerd", version: "v1.7.24", dialect: "state-change" } as const;
  const given = givenOf({ name, title: name, events, confs: [], bundles: [], runtime });
  const before = createdBefore(first);
  if (before === undefined) return given;
  return {
    ...given,
    played: { ...given.played, events: [before, ...events] },
    unknown: ["the create of this pod or container: pid and spec of its time are taken from this event"],
  };
}

function createdBefore(event: RecordedEvent): RecordedEvent | undefined {
  const decoded = decodeEvent(event.method, event.payload);
  if (decoded === undefined || ["RunPodSandbox", "CreateContainer", "StartContainer"].includes(decoded.name))
    return undefined;
  const containers = "container" in decoded ? [decoded.container] : [];
  const payload = synchronizeRequest.encode({ pods: [decoded.pod], containers, more: false });
  return { index: 0, method: "Synchronize", timeoutNano: event.timeoutNano, metadata: [], payload };
}
