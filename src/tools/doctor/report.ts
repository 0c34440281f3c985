import { formatVersion, hasFeature, inferNriVersion } from "../../nri/versions.js";
import { formatConfigFile } from "./collect/bridge.js";
import type { RuntimeFacts } from "./collect/runtime.js";
import type { Facts } from "./facts.js";
import { countFindings, evaluate, type Finding, type Table, type Verb } from "./finding.js";
import { bridgeRows } from "./findings/bridge.js";
import { configurationRows } from "./findings/configuration.js";
import { migrateRows, nodeRows } from "./findings/node.js";
import { runtimeRows } from "./findings/runtime.js";
import { validatorRows } from "./findings/validators.js";
import { launchedBridge } from "./fixes.js";

/** All rows of all findings. A new finding is a new row in one of these tables. */
export const table: Table = [
  ...runtimeRows,
  ...validatorRows,
  ...bridgeRows,
  ...configurationRows,
  ...nodeRows,
  ...migrateRows,
];

/** All findings about a node for a verb, the worst first. */
export function findAll(facts: Facts, verb: Verb): readonly Finding[] {
  return evaluate(table, facts, verb);
}

export function describeNode(facts: Facts) {
  const { root, runtime, cgroup, socket, self, conf, plugins, bridge, process } = facts;
  return {
    ...{ root, runtime: runtime === undefined ? null : describeRuntime(runtime), cgroup },
    socket: { path: socket.path, kind: socket.kind, listening: socket.listening ?? null },
    bridge: {
      mode: launchedBridge(facts) ? "launched" : "external",
      node: self.nodeVersion,
      config: bridge.file ?? null,
      pid: process.pid ?? null,
      state: process.state,
    },
    conf: { path: conf.path, plugins: plugins.map(({ type }) => type) },
  };
}

function describeRuntime({ name, version, pid, path, config }: RuntimeFacts) {
  const nri = inferNriVersion(name, version);
  const { requestTimeoutMs } = config.nri;
  const about = { name, version, pid: pid ?? null, path, config: config.path };
  if (nri === undefined) return { ...about, nri: null, dialect: null, nriEnabled: false, requestTimeoutMs };
  // NRI's version alone decides which call the runtime sends for an event.
  const dialect = hasFeature(nri, "ownCalls") ? "dedicated" : "state-change";
  return { ...about, nri: formatVersion(nri), dialect, nriEnabled: config.nri.enabled, requestTimeoutMs };
}

/** The findings as text for people, in the given order: what, why and fix, with the node before and the counts after them. */
export function formatFindings(facts: Facts, findings: readonly Finding[]): string {
  const node = describeNode(facts);
  const { runtime } = node;
  const runtimeText =
    runtime === null
      ? "no runtime"
      : `${runtime.name} ${runtime.version || "of unknown version"}${runtime.nri === null ? "" : `, NRI ${runtime.nri}`}${runtime.pid === null ? ", not running" : ""}`;
  const plugins = node.conf.plugins.length === 0 ? "no plugins" : node.conf.plugins.join(", ");
  const head = `${runtimeText}; cgroup ${node.cgroup}; ${node.conf.path}: ${plugins}\n${formatConfigFile(facts.bridge)}`;
  const { error, warning, info } = countFindings(findings);
  const tail = `${count(error, "error")}, ${count(warning, "warning")}, ${count(info, "note")}\n`;
  return `${head}\n${findings.map(formatFinding).join("\n")}${findings.length > 0 ? "\n" : ""}${tail}`;
}

export function formatFinding({ id, severity, what, why, fix, where }: Finding): string {
  const lines = [
    `${severity}  ${id}${where === "" ? "" : `  ${where}`}`,
    `  ${what}`,
    `  why  ${why}`,
    `  fix  ${fix}`,
  ];
  return `${lines.join("\n")}\n`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
