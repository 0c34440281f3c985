import { BridgeError } from "../errors.js";
import { bool, type Codec, omitempty, pointer, string, uint32 } from "../gojson/codec.js";
import { decodeDocument } from "../gojson/json.js";
import { map, slice, struct } from "../gojson/struct.js";
import { encodeUtf8 } from "../gojson/utf8.js";
import type { LinuxResources } from "../oci/resources.js";
import { linuxResources } from "../oci/resources-json.js";
import type { Phase, Remembered } from "./memory.js";

/**
 * One record of the journal, as JSON. 64-bit integers of a spec are exact, as they are in a request.
 *
 *   {"type":"header","version":1,"runtime":"containerd","socket":"/run/nri/nri.sock"}    the first one
 *   {"type":"create-begun","id":...,"kind":...,"spec":{...},...}                         before the create's chain
 *   {"type":"delete-begun","id":...}                                                     before the delete's chain
 *   {"type":"delete-done","id":...}                                                      after it, failed or not
 *   {"type":"forgotten","id":...}                                                        its pod or container is removed
 */
export type JournalRecord =
  | { readonly type: "header"; readonly version: number; readonly runtime: string; readonly socket: string }
  | { readonly type: "create-begun"; readonly remembered: Remembered }
  | { readonly type: "delete-begun" | "delete-done" | "forgotten"; readonly id: string };

export function formatRecord(record: JournalRecord): string {
  switch (record.type) {
    case "header":
      return recordText.format({ ...record });
    case "create-begun":
      return recordText.format({ type: record.type, ...toText(record.remembered) });
    default:
      return recordText.format({ type: record.type, id: record.id });
  }
}

/** Undefined for a type of record that this version does not know. @throws BridgeError STATE when it is no record */
export function parseRecord(body: string): JournalRecord | undefined {
  const decoded = decodeDocument(encodeUtf8(body), recordText);
  if (!decoded.ok) throw new BridgeError("STATE", `a record of the journal: ${decoded.reason}`);
  const { type, version = 0, runtime = "", socket = "", id = "" } = decoded.value;
  switch (type) {
    case "header":
      return { type, version, runtime, socket };
    case "create-begun":
      return { type, remembered: toRemembered(decoded.value) };
    case "delete-begun":
    case "delete-done":
    case "forgotten":
      return { type, id };
    default:
      return undefined;
  }
}

interface SpecText {
  resources?: LinuxResources;
  namespaces: Record<string, string>;
  cgroupsPath: string;
  annotations: Record<string, string>;
}

interface RecordText {
  type: string;
  version?: number;
  runtime?: string;
  socket?: string;
  id?: string;
  sandboxID?: string;
  kind?: string;
  pid?: number;
  startTime?: string;
  bootId?: string;
  pidNamespace?: string;
  pod?: string;
  container?: string;
  phases?: string[];
  adopted?: boolean;
  /** Absent when its events are the bridge's business. */
  unserved?: boolean;
  spec?: SpecText;
}

const specText: Codec<SpecText> = struct<SpecText>(
  "state.Spec",
  () => ({ namespaces: {}, cgroupsPath: "", annotations: {} }),
  {
    resources: pointer(linuxResources),
    namespaces: map(string()),
    cgroupsPath: string(),
    annotations: map(string()),
  },
);

const text = omitempty(string());

const recordText: Codec<RecordText> = struct<RecordText>("state.Record", () => ({ type: "" }), {
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
  // What is "" stays apart from what is absent.
  container: pointer(string()),
  phases: omitempty(slice(string())),
  adopted: omitempty(bool),
  unserved: omitempty(bool),
  spec: pointer(specText),
});

function toText(remembered: Remembered): Omit<RecordText, "type"> {
  const { id, sandboxID, kind, pid, pod, container, phases, adopted, served, spec, process } = remembered;
  const { resources, namespaces, cgroupsPath, annotations } = spec;
  return {
    id,
    sandboxID,
    kind,
    pid,
    pod,
    phases: [...phases],
    adopted,
    unserved: !served,
    spec: {
      ...(resources === null ? {} : { resources }),
      namespaces: { ...namespaces },
      cgroupsPath,
      annotations: { ...annotations },
    },
    ...(container === undefined ? {} : { container }),
    ...(process === undefined ? {} : { bootId: process.bootId, pidNamespace: process.pidNamespace }),
    ...(process?.startTime === undefined ? {} : { startTime: process.startTime }),
  };
}

function toRemembered(record: RecordText): Remembered {
  const { id = "", sandboxID = "", pid = 0, pod = "", container, startTime, bootId = "", pidNamespace = "" } = record;
  const { resources, namespaces, cgroupsPath, annotations } = record.spec ?? specText.zero();
  const identified = startTime !== undefined || bootId !== "" || pidNamespace !== "";
  return {
    id,
    sandboxID,
    kind: record.kind === "sandbox" ? "sandbox" : "container",
    pid,
    pod,
    spec: { resources: resources ?? null, namespaces, cgroupsPath, annotations },
    phases: (record.phases ?? []).filter((name): name is Phase => name === "create" || name === "start"),
    adopted: record.adopted ?? false,
    served: !(record.unserved ?? false),
    ...(container === undefined ? {} : { container }),
    ...(identified ? { process: { pid, startTime, bootId, pidNamespace } } : {}),
  };
}
