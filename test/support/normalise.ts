/** A request with everything that differs between two runs of one scenario named by its role. */
export interface NormalisedRequest {
  /** `pod1`, `ctr1`, ... by first appearance. */
  readonly who: string;
  readonly state: string;
  /** The request, byte for byte (latin1), but for ids, pids, uids, pod names and log directories. */
  readonly request: string;
}

/**
 * Maps ids, pids, uids, pod names and log directories of one scenario's requests to the roles they play, in order of
 * their appearance. Nothing else is touched, so that two runs of a scenario can be compared byte for byte.
 */
export function normaliseRequests(requests: readonly Buffer[]): NormalisedRequest[] {
  const ids = new Map<string, string>();
  const pids = new Map<string, string>();
  const uids = new Map<string, string>();
  const podNames = new Map<string, string>();
  const counts = { pod: 0, ctr: 0 };
  const nameId = (id: string, isPod: boolean) => {
    const kind = isPod ? "pod" : "ctr";
    if (id !== "" && !ids.has(id)) ids.set(id, `${kind}${++counts[kind]}`);
    return ids.get(id) ?? "";
  };
  // Roles first: a request may name a pid whose own request comes later.
  const heads = requests.map((request) => {
    const { state, id, sandboxID, pid, podName } = readHead(request);
    if (sandboxID !== "") nameId(sandboxID, true);
    const who = nameId(id, id === sandboxID);
    nameValue(pids, pid, `${who}.pid`);
    nameValue(podNames, podName, `${nameId(sandboxID, true)}.name`);
    return { state, who };
  });
  const role = (names: Map<string, string>, value: string) => names.get(value) ?? value;
  const nameUid = (uid: string) => {
    const key = uid.replaceAll("_", "-");
    if (!uids.has(key)) uids.set(key, `uid${uids.size + 1}`);
    return `<${role(uids, key)}>`;
  };
  return requests.map((request, index) => ({
    who: heads[index]?.who ?? "",
    state: heads[index]?.state ?? "",
    request: request
      .toString("latin1")
      .replace(/[0-9a-f]{64}/g, (id) => (ids.has(id) ? `<${role(ids, id)}>` : id))
      .replace(/"pid":(\d+)/g, (_, pid) => `"pid":<${role(pids, pid)}>`)
      .replace(/\/proc\/(\d+)\//g, (_, pid) => `/proc/<${role(pids, pid)}>/`)
      .replace(/("io\.kubernetes\.cri\.sandbox-log-directory":")[^"]*\//g, "$1<logs>/")
      .replace(/("io\.kubernetes\.(?:cri\.sandbox-name|pod\.name)":")([^"]*)"/g, (all, key, name) =>
        podNames.has(name) ? `${key}<${role(podNames, name)}>"` : all,
      )
      .replace(/[0-9a-f]{8}([-_])[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}/g, nameUid),
  }));
}

/** Gives a value its role; a second value for one role is another one, and is to be seen as such. */
function nameValue(names: Map<string, string>, value: string, role: string): void {
  if (value === "" || names.has(value)) return;
  const taken = [...names.values()].filter((name) => name === role || name.startsWith(`${role}#`)).length;
  names.set(value, taken === 0 ? role : `${role}#${taken + 1}`);
}

/** What the roles are told by; all empty for a request of 0 bytes, which belongs to a plugin that did not read. */
function readHead(request: Buffer): Record<"state" | "id" | "sandboxID" | "pid" | "podName", string> {
  const { state = "", id = "", sandboxID = "", pid = "", spec } = JSON.parse(request.toString() || "{}");
  const podName = spec?.annotations?.["io.kubernetes.cri.sandbox-name"] ?? "";
  return { state, id, sandboxID, pid: String(pid), podName };
}
