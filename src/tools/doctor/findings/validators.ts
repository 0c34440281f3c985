import { basename } from "node:path";
import { nearestName } from "../../../base/nearest.js";
import { flagOf } from "../../../host/proc.js";
import { hasFeature, inferNriVersion } from "../../../nri/versions.js";
import type { Facts } from "../facts.js";
import { given, rowOf, type Table } from "../finding.js";
import { launchedBridge, setValidator } from "../fixes.js";
import { disabled, nameOf } from "./runtime.js";

const row = rowOf("doctor");

/** The bridge's default name. required_plugins may still list it for a bridge that has another name. */
const usualName = "v01-bridge";
/** The annotation that the pods of deploy/kustomize carry. */
const tolerate_missing_plugins_annotation = "tolerate-missing-plugins.nri-v01-bridge";

const validators = given(subjectOf);

/**
 * Rows about NRI's default validator: which plugins must be connected when the runtime creates a container, and which adjustments
 * the runtime refuses.
 */
export const validatorRows: Table = [
  row("required-plugins-unset", "info", {
    when: validators(({ enabled, names, name, meant }, { plugins }) => {
      return plugins.length > 0 && !(enabled && (names.includes(name) || meant !== undefined));
    }),
    what: ({ runtime }) => `while the bridge is not connected ${nameOf(runtime)} starts containers without plugins`,
    why: "containerd 1.6 never did that; this runtime can refuse such a container, and the kubelet then tries again",
    fix: ({ runtime, wanted }) => {
      const settings = { enable: true, required_plugins: wanted, tolerate_missing_plugins_annotation };
      return `nothing, if that is wanted; else, as MIGRATION.md says under "Never without plugins", ${setValidator(runtime, settings)}`;
    },
  }),
  row("required-plugins-unknown", "error", {
    severity: ({ meant }) => (meant === undefined ? "info" : "error"),
    when: validators(({ enabled, unknown }) => enabled && unknown.length > 0),
    what: ({ runtime, unknown, name }) =>
      `${nameOf(runtime)} requires the plugin ${unknown.join(", ")}, and the bridge's name is ${name}`,
    why: "while no plugin of that name is connected, the creation of each container fails",
    fix: ({ runtime, meant, wanted }) =>
      meant === undefined
        ? "nothing, if another plugin connects under this name; else take the name out of required_plugins"
        : setValidator(runtime, { required_plugins: wanted }),
  }),
  row("required-plugins-not-tolerated", "warning", {
    when: validators(({ enabled, names, isTolerated }) => enabled && names.length > 0 && !isTolerated),
    what: ({ runtime }) =>
      `${nameOf(runtime)}: NRI's default validator requires plugins for every container, and no annotation lets a pod do without`,
    why: "while the bridge is away no container starts, not even those that the bridge or the node needs: its DaemonSet, static pods, the network",
    fix: ({ runtime }) => setValidator(runtime, { tolerate_missing_plugins_annotation }),
  }),
  row("adjustments-refused", "info", {
    when: validators(({ enabled, rejects, asking }) => enabled && rejects.length > 0 && asking.length > 0),
    what: ({ runtime, rejects }) => `${nameOf(runtime)} refuses adjustments of ${rejects.join(", ")}`,
    why: "a container fails with validation error when a plugin's result asks for such an adjustment",
    fix: ({ asking }) =>
      `nothing, if no result of ${asking.join(", ")} asks for that (docs/RESULTS.md); else take the keys that reject these adjustments out of the validator's settings`,
  }),
];

/**
 * The settings of NRI's default validator, compared with the bridge's name and plugins. Undefined when the runtime has no
 * validator, NRI is off, or the runtime's configuration has faults.
 */
function subjectOf(facts: Facts) {
  const { runtime, bridge, process, launched, plugins } = facts;
  const nri = runtime && inferNriVersion(runtime.name, runtime.version);
  if (runtime === undefined || nri === undefined || !hasFeature(nri, "validates")) return undefined;
  const { config } = runtime;
  if (config.faults.length > 0 || !config.nri.enabled || disabled(runtime).length > 0) return undefined;
  const { requiredPlugins: names, ...validator } = config.nri.validator;
  // NRI names a launched plugin after its file, without the index.
  const nameIn = (path: string) => basename(path).replace(/^\d\d-/, "");
  const own = launchedBridge(facts);
  const stated = flagOf(process.args, "--name") ?? bridge.settings.pluginName;
  // Doctor cannot read the configuration file of a bridge in a container, but that bridge's status file holds its name.
  const name = own ? nameIn(own.path) : (stated ?? process.status?.plugin.slice(3) ?? bridge.config.pluginName);
  // A plugin that connects from outside may have one of these names.
  const unknown = names.filter((each) => each !== name && !launched.some(({ path }) => nameIn(path) === each));
  const isMeant = (each: string) => !names.includes(name) && nearestName(each, [name, usualName]) !== undefined;
  const meant = unknown.find(isMeant);
  return {
    ...{ ...validator, runtime, names, name, unknown, meant, where: config.nri.at.validator ?? config.path },
    wanted: [...new Set([...names.filter((each) => each !== meant), name])],
    /** The plugins whose results can adjust a container, as the bridge runs them before it exists. */
    asking: plugins.filter(({ settings }) => settings.phase === "create").map(({ type }) => type),
  };
}
