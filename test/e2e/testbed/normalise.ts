import type { PluginRun } from "./records.js";

/** A plugin's run with everything that differs between two runs of one scenario named by its role. */
export interface NormalisedRun {
  readonly plugin: string;
  /** `pod1`, `ctr1`, ... by first appearance. */
  readonly who: string;
  readonly state: string;
  readonly processAlive: boolean;
  /** The request, byte for byte (latin1), but for ids, pids, uids and log directories. */
  readonly request: string;
}

/** Maps ids, pids, uids and paths of one scenario's requests to the roles they play, in order of their appearance. */
export function normaliseRuns(runs: readonly PluginRun[]): NormalisedRun[] {
  const ids = new Map<string, string>();
  const pids = new Map<string, string>();
  const uids = new Map<string, string>();
  const counts = { pod: 0, ctr: 0 };
  const nameId = (id: string, isPod: boolean) => {
    const kind = isPod ? "pod" : "ctr";
    if (id !== "" && !ids.has(id)) ids.set(id, `${kind}${++counts[kind]}`);
    return ids.get(id) ?? "";
  };
  // Roles first: a request may name a pid whose own request comes later.
  const heads = runs.map((run) => {
    const { state, id, sandboxID, pid } = readHead(run.request);
    if (sandboxID !== "") nameId(sandboxID, true);
    const who = nameId(id, id === sandboxID);
    if (pid !== "" && !pids.has(pid)) pids.set(pid, `${who}.pid`);
    return { state, who };
  });
  const role = (names: Map<string, string>, value: string) => names.get(value) ?? value;
  const nameUid = (uid: string) => {
    const key = uid.replaceAll("_", "-");
    if (!uids.has(key)) uids.set(key, `uid${uids.size + 1}`);
    return `<${role(uids, key)}>`;
  };
  return runs.map((run, index) => ({
    plugin: run.plugin,
    who: heads[index]?.who ?? "",
    state: heads[index]?.state ?? "",
    processAlive: run.processAlive,
    request: run.request
      .toString("latin1")
      .replace(/[0-9a-f]{64}/g, (id) => (ids.has(id) ? `<${role(ids, id)}>` : id))
      .replace(/"pid":(\d+)/g, (_, pid) => `"pid":<${role(pids, pid)}>`)
      .replace(/\/proc\/(\d+)\//g, (_, pid) => `/proc/<${role(pids, pid)}>/`)
      .replace(/("io\.kubernetes\.cri\.sandbox-log-directory":")[^"]*\//g, "$1<logs>/")
      .replace(/[0-9a-f]{8}([-_])[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}/g, nameUid),
  }));
}

function readHead(request: Buffer): { state: string; id: string; sandboxID: string; pid: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(request.toString("utf8"));
  } catch {
    parsed = {};
  }
  const fields = new Map(Object.entries(typeof parsed === "object" && parsed !== null ? parsed : {}));
  const text = (key: string) => String(fields.get(key) ?? "");
  return { state: text("state"), id: text("id"), sandboxID: text("sandboxID"), pid: text("pid") };
}
