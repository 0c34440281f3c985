import { crc32 } from "node:zlib";
import { BridgeError } from "../base/errors.js";
import type { ProcessIdentity } from "../host/proc.js";
import {
  bool,
  type Codec,
  decodeDocument,
  map,
  omitempty,
  pointer,
  slice,
  string,
  struct,
  uint32,
} from "../v01/gojson/codec.js";
import { encodeUtf8 } from "../v01/gojson/utf8.js";
import { type LinuxResources, linuxResources } from "../v01/resources.js";
import type { Spec } from "../v01/types.js";
import type { Created, LedgerEntry, Phase } from "./ledger.js";

/**
 * The journal's format. Each line is the CRC-32 of its record in eight hexadecimal digits, a blank, the record as JSON,
 * and a line feed. A write that a crash has cut short lacks the line feed, and a line that a broken disk has changed
 * has another checksum. 64-bit integers of a spec are exact, as in a request. The `create-begun` of a held sandbox,
 * whose create has failed and runs again, has "refused".
 *
 *   8b8c9767 {"type":"header","version":1,"runtime":"containerd","socket":"/run/nri/nri.sock"}    the first line
 *   ea06bce5 {"type":"create-begun","id":...,"kind":...,"spec":{...},...}       before the create's chain
 *   aa700a98 {"type":"delete-begun","id":...}                                   before the delete's chain
 *   37042d7f {"type":"delete-done","id":...}                                    after that chain, failed or not
 *   036f1169 {"type":"forgotten","id":...}                                      its pod or container is removed
 */
const version = 1;

/** What a journal is about: one runtime, identified by its name and by the socket through which the bridge reaches it. */
export interface JournalKey {
  readonly runtime: string;
  readonly socket: string;
}

/** The entries that the bridge recovers from a journal. */
interface Recovery {
  /**
   * No entry is `deleting`: a delete that has a `delete-begun` and no `delete-done` becomes `rerun`, and the bridge runs it again.
   */
  readonly entries: readonly LedgerEntry[];
  /** Whether a valid line follows an invalid one. A broken disk causes this; a crash spoils only the last line. */
  readonly isDamaged: boolean;
}

/** The first line of a journal, with its line feed. */
export function formatHeader({ runtime, socket }: JournalKey): string {
  return formatLine(recordText.format({ type: "header", version, runtime, socket }));
}

export function formatCreate(created: Created): string {
  return formatLine(recordText.format(toText(created)));
}

export function formatStep(type: "delete-begun" | "delete-done" | "forgotten", id: string): string {
  return formatLine(recordText.format({ type, id }));
}

/**
 * Reads a journal: the latest record of each id counts. A crash may have cut the last line short. When a disk has spoilt other
 * lines, the valid ones still count: a plugin may then get a delete twice, but without them many deletes would not come at all. The
 * header may be spoilt too, since the file's name already says whose journal it is. A valid line of a type that this version does
 * not know is skipped.
 *
 * @throws BridgeError STATE when no line is valid, or when the journal is of another version or of another runtime
 */
export function parseJournal(bytes: Uint8Array, key: JournalKey): Recovery {
  const lines = readLines(bytes);
  const records = lines.filter((record) => record !== undefined);
  const isDamaged = lines.slice(0, records.length).includes(undefined);
  const [first, ...rest] = records;
  if (first === undefined) {
    // A journal cut short in its header has no entries yet, so it counts as new. Any other file without a valid line is no journal
    // of the bridge.
    const header = Buffer.from(formatHeader(key));
    if (header.subarray(0, bytes.length).equals(bytes)) return { entries: [], isDamaged };
    throw new BridgeError("STATE", "the journal has no valid line");
  }
  const header = parseRecord(first);
  const isHeaderSpoilt = lines[0] === undefined && header?.type !== "header";
  if (!isHeaderSpoilt) checkHeader(header, key);
  const found = new Map<string, LedgerEntry>();
  for (const body of isHeaderSpoilt ? records : rest) {
    const record = parseRecord(body);
    const { type, id = "" } = record ?? {};
    const entry = found.get(id);
    if (record?.type === "create-begun") found.set(id, { created: toCreated(record), state: "open" });
    else if (type === "forgotten") found.delete(id);
    else if (entry !== undefined && type === "delete-begun") found.set(id, { ...entry, state: "rerun" });
    else if (entry !== undefined && type === "delete-done") found.set(id, { ...entry, state: "deleted" });
  }
  return { entries: [...found.values()], isDamaged };
}

/**
 * Checks the first record. This version would read a journal of another version wrongly, or drop records that it does not know.
 * @throws BridgeError STATE when the record is no header, or of another version, runtime or socket
 */
function checkHeader(header: RecordText | undefined, key: JournalKey): void {
  const { type, version: stated = 0, runtime = "", socket = "" } = header ?? {};
  if (type !== "header") throw new BridgeError("STATE", "the first valid line of the journal is not its header");
  if (stated !== version)
    throw new BridgeError("STATE", `the journal has version ${stated}, and this bridge reads version ${version}`);
  if (runtime !== key.runtime || socket !== key.socket) {
    const ours = `${key.runtime} at ${key.socket}`;
    throw new BridgeError("STATE", `the journal belongs to ${runtime} at ${socket}, and this bridge serves ${ours}`);
  }
}

export function formatLine(record: string): string {
  return `${checksum(record)} ${record}\n`;
}

/** The records of a journal's lines, in order; undefined for each line that is not valid. */
export function readLines(bytes: Uint8Array): (string | undefined)[] {
  const lines = Buffer.from(bytes).toString("utf8").split("\n");
  // After the last line feed there is nothing, or a line that was cut short.
  const rest = lines.pop();
  return [...lines.map(readLine), ...(rest === "" ? [] : [undefined])];
}

function readLine(line: string): string | undefined {
  const record = line.slice(checksumLength + 1);
  return line === `${checksum(record)} ${record}` ? record : undefined;
}

const checksumLength = 8;

function checksum(record: string): string {
  return crc32(record).toString(16).padStart(checksumLength, "0");
}

/** A line's record; undefined when the text is not a record, or one of a later version that this version cannot decode. */
function parseRecord(body: string): RecordText | undefined {
  const decoded = decodeDocument(encodeUtf8(body), recordText);
  return decoded.ok ? decoded.value : undefined;
}

/** A spec in the journal. `resources` is absent when the spec has none. */
type SpecText = Omit<Spec, "resources"> & { readonly resources?: LinuxResources };

type Same = Pick<Created, "id" | "sandboxID" | "pid" | "pod" | "container" | "adopted">;

/** A record of the journal. Fields that are 0, empty or false are absent. */
interface RecordText extends Partial<JournalKey & Same & Omit<ProcessIdentity, "startTime">> {
  readonly type: string;
  readonly version?: number;
  readonly kind?: string;
  readonly startTime?: string;
  readonly phases?: string[];
  readonly unserved?: boolean;
  readonly refused?: boolean;
  readonly kept?: Record<string, string>;
  readonly spec?: SpecText;
}

const noSpec = (): SpecText => ({ namespaces: {}, cgroupsPath: "", annotations: {} });

const specText: Codec<SpecText> = struct("state.Spec", {
  resources: pointer(linuxResources),
  namespaces: map(string()),
  cgroupsPath: string(),
  annotations: map(string()),
});

const text = omitempty(string());

const recordText: Codec<RecordText> = struct("state.Record", {
  type: string(),
  version: omitempty(uint32),
  runtime: text,
  socket: text,
  id: text,
  sandboxID: text,
  kind: text,
  pid: omitempty(uint32),
  startTime: text,
  bootId: text,
  pidNamespace: text,
  pod: text,
  // An empty container name differs from an absent one, which means a sandbox, so this is no `omitempty`.
  container: pointer(string()),
  phases: omitempty(slice(string())),
  adopted: omitempty(bool),
  unserved: omitempty(bool),
  refused: omitempty(bool),
  kept: omitempty(map(string())),
  spec: pointer(specText),
});

/** Copies each field by its name: spreading a Created takes longer than formatting it. */
function toText(created: Created): RecordText {
  const { id, sandboxID, kind, pid, process, pod, container, phases, adopted, refused, kept, spec } = created;
  const { resources, namespaces, cgroupsPath, annotations } = spec;
  const rest = { namespaces, cgroupsPath, annotations };
  return {
    type: "create-begun",
    id,
    sandboxID,
    kind,
    pid,
    startTime: process?.startTime ?? "",
    bootId: process?.bootId ?? "",
    pidNamespace: process?.pidNamespace ?? "",
    pod,
    ...(container === undefined ? {} : { container }),
    phases: [...phases],
    adopted,
    unserved: !created.served,
    refused: refused ?? false,
    kept: kept ?? {},
    spec: resources === null ? rest : { resources, ...rest },
  };
}

function toCreated(record: RecordText): Created {
  const { id = "", sandboxID = "", pid = 0, pod = "", container, startTime, bootId = "", pidNamespace = "" } = record;
  const spec = record.spec ?? noSpec();
  const identified = startTime !== undefined || bootId !== "" || pidNamespace !== "";
  return {
    id,
    sandboxID,
    kind: record.kind === "sandbox" ? "sandbox" : "container",
    pid,
    pod,
    spec: { ...spec, resources: spec.resources ?? null },
    phases: (record.phases ?? []).filter((name): name is Phase => name === "create" || name === "start"),
    adopted: record.adopted ?? false,
    served: !(record.unserved ?? false),
    ...(container === undefined ? {} : { container }),
    ...(identified ? { process: { pid, startTime, bootId, pidNamespace } } : {}),
    ...(record.refused ? { refused: true } : {}),
    ...(record.kept === undefined ? {} : { kept: record.kept }),
  };
}
