import { basename } from "node:path";
import { nearestName } from "../../../base/nearest.js";
import { hasFeature, inferNriVersion } from "../../../nri/versions.js";
import type { RuntimeFacts } from "../collect/runtime.js";
import type { Facts } from "../facts.js";
import { rowOf, type Table } from "../finding.js";
import { setValidator } from "../fixes.js";
import { disabled, nameOf } from "./runtime.js";

const row = rowOf("doctor");
const where = ({ config }: RuntimeFacts) => config.nri.at.validator ?? config.path;
/** A bridge that was given another name may be required by this one. */
const usualName = "v01-bridge";
/** The annotation that the pods of deploy/kustomize carry. */
const toleration = "tolerate-missing-plugins.nri-v01-bridge";

/** NRI's default validator: which plugins have to be connected when a container is created, and what none may ask for. */
export const validatorRows: Table = [
  row({
    id: "required-plugins-unset",
    severity: "info",
    when: validators(
      ({ enabled, requiredPlugins }, facts) =>
        facts.plugins.length > 0 &&
        !(enabled && (requiredPlugins.includes(nameOfBridge(facts)) || misspeltIn(facts) !== undefined)),
    ),
    what: (runtime) =>
      `${nameOf(runtime)} is not told to wait for the bridge: while it is away containers start without plugins`,
    why: "containerd 1.6 never started one so; this runtime can refuse it, and the kubelet tries again",
    fix: (runtime, facts) =>
      `nothing, if that is what you want; else as MIGRATION.md says ("Never without plugins") ${setValidator(runtime, {
        enable: true,
        required_plugins: requiredBy(facts),
        tolerate_missing_plugins_annotation: toleration,
      })}`,
    where,
  }),
  row({
    id: "required-plugins-unknown",
    severity: (_, facts) => (misspeltIn(facts) === undefined ? "info" : "error"),
    when: validators(({ enabled }, facts) => enabled && unknownOf(facts).length > 0),
    what: (runtime, facts) =>
      `${nameOf(runtime)} requires the plugin ${unknownOf(facts).join(", ")}, and the bridge's name is ${nameOfBridge(facts)}`,
    why: "while no plugin of that name is connected, the creation of each container fails",
    fix: (runtime, facts) =>
      misspeltIn(facts) === undefined
        ? "nothing, if it is another plugin that connects; else take it out of the list"
        : setValidator(runtime, { required_plugins: requiredBy(facts) }),
    where,
  }),
  row({
    id: "required-plugins-not-tolerated",
    severity: "warning",
    when: validators(
      (validator) => validator.enabled && validator.requiredPlugins.length > 0 && !validator.isTolerated,
    ),
    what: (runtime) =>
      `${nameOf(runtime)} requires plugins of every container, and no annotation lets a pod go without`,
    why: "while the bridge is away nothing starts that it needs or the node: its DaemonSet, static pods, the network",
    fix: (runtime) => setValidator(runtime, { tolerate_missing_plugins_annotation: toleration }),
    where,
  }),
  row({
    id: "adjustments-refused",
    severity: "info",
    when: validators(({ enabled, rejects }, facts) => enabled && rejects.length > 0 && ofCreate(facts).length > 0),
    what: (runtime) =>
      `${nameOf(runtime)} refuses what plugins ask for: ${runtime.config.nri.validator.rejects.join(", ")}`,
    why: "a container fails with validation error when a plugin's result asks for such an adjustment",
    fix: (_, facts) =>
      `nothing, if no result of ${ofCreate(facts).join(", ")} does (docs/RESULTS.md); else take the key out`,
    where,
  }),
];

/** The runtime, where it has the validator and this is true of that. */
function validators(holds: (validator: RuntimeFacts["config"]["nri"]["validator"], facts: Facts) => boolean) {
  return (facts: Facts) => {
    const { runtime } = facts;
    const nri = runtime && inferNriVersion(runtime.name, runtime.version);
    if (nri === undefined || runtime === undefined || !hasFeature(nri, "validates")) return false;
    const { config } = runtime;
    const isKnown = config.faults.length === 0 && config.nri.enabled && disabled(runtime).length === 0;
    return isKnown && holds(config.nri.validator, facts) && runtime;
  };
}

/** A launched plugin's name is that of its file, without its index. */
function nameIn(path: string): string {
  return basename(path).replace(/^\d\d-/, "");
}

function nameOfBridge({ bridge, launched }: Facts): string {
  const file = launched.find((one) => one.bridge && one.executable);
  return file === undefined ? bridge.config.pluginName : nameIn(file.path);
}

/** Required names of no plugin that is known here: others may connect. */
function unknownOf(facts: Facts): readonly string[] {
  const known = [nameOfBridge(facts), ...facts.launched.map(({ path }) => nameIn(path))];
  return facts.runtime?.config.nri.validator.requiredPlugins.filter((name) => !known.includes(name)) ?? [];
}

/** The required name that is meant to be the bridge's. */
function misspeltIn(facts: Facts): string | undefined {
  const name = nameOfBridge(facts);
  if (facts.runtime?.config.nri.validator.requiredPlugins.includes(name)) return undefined;
  return unknownOf(facts).find((unknown) => nearestName(unknown, [name, usualName]) !== undefined);
}

/** What is required, with the bridge among it. */
function requiredBy(facts: Facts): readonly string[] {
  const required = facts.runtime?.config.nri.validator.requiredPlugins ?? [];
  return [...new Set([...required.filter((name) => name !== misspeltIn(facts)), nameOfBridge(facts)])];
}

/** The plugins whose results change a container before it exists. */
function ofCreate({ plugins }: Facts): readonly string[] {
  return plugins.filter(({ settings }) => settings.phase === "create").map(({ type }) => type);
}
