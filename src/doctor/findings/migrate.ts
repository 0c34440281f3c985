import { inferNriVersion } from "../../nri/versions.js";
import type { Facts, PluginFacts } from "../facts.js";
import type { Finding } from "../finding.js";
import { setBridge, setNri } from "../fixes.js";
import { isV1Only } from "./cgroup.js";
import { nameOf, speaksNri2 } from "./runtime.js";

/** What an upgrade from containerd 1.6 changes: for each plugin of conf.json, and for all of them. */
export function migrateFindings(facts: Facts): readonly Finding[] {
  const { plugins, runtime } = facts;
  if (plugins.length === 0) return [];
  const old = runtime === undefined || speaksNri2(runtime) !== true;
  return [
    ...plugins.flatMap((plugin) => [
      timeLimit(plugin, facts),
      ...v1Only(plugin, facts),
      ...otherBinary(plugin, facts),
      ...relativePath(plugin, facts),
    ]),
    ...(old ? switchOn(facts) : []),
    sandboxTiming(facts),
    serialised(facts),
    updates(facts),
  ];
}

function timeLimit({ type, index, async }: PluginFacts, facts: Facts): Finding {
  return {
    id: "migrate-time-limit",
    severity: "info",
    what: `${type} had minutes under containerd 1.6, and has a share of 2 s afterwards${async ? "; as an observer it has 10 s of its own" : ""}`,
    why: "an NRI v2 runtime waits 2 s for the whole chain (plugin_request_timeout); the bridge ends a plugin that takes longer, and its create fails",
    fix: `nothing, if it is quick; else raise the runtime's plugin_request_timeout, or for one that only watches ${setBridge(facts, ["plugins", type, "async"], "true")}`,
    where: `${facts.conf.path}#/plugins/${index}`,
  };
}

function v1Only(plugin: PluginFacts, facts: Facts): readonly Finding[] {
  const { cgroup } = facts;
  const { type, lookup, binary } = plugin;
  // On a v2 node the finding of today says it.
  if (!isV1Only(plugin) || cgroup.version === "v2" || plugin.cgroup === "capture") return [];
  return [
    {
      id: "migrate-cgroup-v1",
      severity: "warning",
      what: `${type} writes to cgroup v1 (${binary?.v1Names.slice(0, 3).join(", ")})`,
      why: "on a new node with cgroup v2 the files are not there: it fails, or does nothing and says all is well",
      fix: `on the new node ${setBridge(facts, ["plugins", type, "cgroup"], "capture")}`,
      where: lookup.ok ? lookup.path : "",
    },
  ];
}

function otherBinary({ lookup, pathFirst, type }: PluginFacts, facts: Facts): readonly Finding[] {
  if (!lookup.ok || pathFirst === undefined || pathFirst === lookup.path) return [];
  return [
    {
      id: "migrate-lookup",
      severity: "warning",
      what: `${type} is ${pathFirst} under containerd 1.6, and will be ${lookup.path}`,
      why: "1.6 looked along PATH first and in the plugin directory last; the bridge does it the other way round",
      fix: `nothing, if ${lookup.path} is the plugin; else ${setBridge(facts, ["lookup"], "path-first")}`,
      where: facts.conf.path,
    },
  ];
}

function relativePath({ type, index }: PluginFacts, { conf }: Facts): readonly Finding[] {
  if (!type.includes("/") || type.startsWith("/")) return [];
  return [
    {
      id: "migrate-relative-type",
      severity: "warning",
      what: `${type} is a path relative to containerd's working directory, and will be /${type}`,
      why: "the bridge runs plugins in /",
      fix: `write the absolute path as "type" in ${conf.path}`,
      where: `${conf.path}#/plugins/${index}`,
    },
  ];
}

function switchOn({ runtime }: Facts): readonly Finding[] {
  const config = runtime?.name === "containerd" ? runtime.config : undefined;
  // 1.6 passes over a section that it does not know: it may stand there already, in the form that 1.7 takes.
  const there = config?.nri.enabled && config.nri.switchedAt !== undefined;
  if (there || (config?.unreadable.length ?? 0) > 0) return [];
  const fix =
    runtime?.name === "containerd"
      ? setNri(runtime, { key: "disable", at: runtime.config.nri.switchedAt }, false)
      : 'in /etc/containerd/config.toml set disable = false under [plugins."io.containerd.nri.v1.nri"]';
  return [
    {
      id: "migrate-switch-on-nri",
      severity: "warning",
      what: "containerd 1.7 has NRI switched off by default; 2.x and CRI-O 1.30 have it on",
      why: "after an upgrade to 1.7 no plugin runs, and nothing says so",
      fix: `after the upgrade: ${fix}`,
      where: runtime?.config.path ?? "/etc/containerd/config.toml",
    },
  ];
}

function sandboxTiming({ conf, runtime }: Facts): Finding {
  const now =
    runtime === undefined || inferNriVersion(runtime.name, runtime.version) === undefined
      ? ""
      : ` (this is ${nameOf(runtime)})`;
  return {
    id: "migrate-sandbox-timing",
    severity: "info",
    what: `under containerd 2.x a sandbox's create comes after its pause process has started, under 1.6 and 1.7 before${now}`,
    why: "a plugin that wants to be there before the pause process does cannot; 2.x also runs the plugins of /etc/nri/conf.json for sandboxes itself",
    fix: "nri-v01-bridge doctor after the upgrade says who serves sandboxes",
    where: conf.path,
  };
}

function serialised({ conf, plugins }: Facts): Finding {
  return {
    id: "migrate-serialised",
    severity: "info",
    what: "plugins run one after another on the whole node; containerd 1.6 ran those of different containers side by side",
    why: `an NRI v2 runtime sends one event at a time: with ${plugins.length} plugin${plugins.length === 1 ? "" : "s"}, a pod of ten containers waits for ${plugins.length * 11} runs in a row`,
    fix: "measure the plugins; make observers async: true",
    where: conf.path,
  };
}

function updates({ conf }: Facts): Finding {
  return {
    id: "migrate-updates",
    severity: "info",
    what: "containerd 1.6 never told plugins of updates, and with the default settings the bridge does not either",
    why: "NRI v2 does: a plugin that knows the state `update` can be told of in-place resizes",
    fix: "nothing, unless a plugin knows the state update: then states: [create, update, delete] for that plugin",
    where: conf.path,
  };
}
