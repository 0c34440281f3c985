import { basename, join } from "node:path";
import { nearestName } from "../../../base/nearest.js";
import { usesSystemd } from "../../../host/runtime-toml.js";
import type { PluginFacts } from "../collect/plugins.js";
import type { Facts } from "../facts.js";
import { rowOf, type Table } from "../finding.js";
import { captureInCreate, guardFile, setBridge, shellWord } from "../fixes.js";

const row = rowOf("doctor", "migrate", "check");
const rowOfNode = rowOf("doctor", "migrate");

const runFails = "each run of the plugin fails, and with onFailure.create: fail, the default, the pod or container too";
const cannotRun = {
  why: runFails,
  where: ({ path, index }: PluginFacts, { conf }: Facts) => path || `${conf.path}#/plugins/${index}`,
} as const;

/**
 * Rows about the bridge's configuration, conf.json and its plugins. `check` evaluates rows of this table only, as they apply with
 * any runtime.
 */
export const configurationRows: Table = [
  row("bridge-config-fault", "error", {
    when: ({ bridge }) => bridge.faults,
    what: ({ text }) => `the bridge's configuration is wrong: ${text}`,
    why: "a bridge that runs as a service does not start; one that the runtime launches fails every create",
    fix: "correct the key named above; docs/CONFIG.md lists every key",
  }),
  row("bridge-config-permissions", "error", {
    when: ({ bridge }): string | undefined => bridge.permissionFault ?? undefined,
    what: (fault) => fault,
    why: "a user who can write this file decides where plugins are; with --config the bridge refuses the file, unless --permissions trust is given",
    fix: (fault, { bridge }) => guardFile(bridge.file ?? "", fault),
    where: (_, { bridge }) => bridge.file ?? "",
  }),
  row("bridge-settings-unused", "warning", {
    when: (facts) =>
      facts.conf.list && Object.keys(facts.bridge.config.plugins).filter((type) => !listed(facts).includes(type)),
    what: (type) => `the bridge's configuration has settings for ${type}, and conf.json lists no such plugin`,
    why: "if these settings are meant for a plugin of another name, it runs with the global settings",
    fix: (type, facts) => {
      const nearest = nearestName(type, listed(facts));
      return nearest === undefined
        ? `take plugins.${type} out, if ${type} is not going to be installed and listed in ${facts.conf.path}`
        : `write ${nearest} instead of ${type} under plugins, if ${nearest} is meant`;
    },
    where: (_, { bridge }) => bridge.file ?? "command line",
  }),
  row("conf-permissions", "error", {
    when: ({ conf }): string | undefined => conf.permissionFault ?? undefined,
    severity: (_, facts) => (isStrict(facts) ? "error" : "warning"),
    what: (fault) => fault,
    why: "a user who can write this file decides what runs as root; with permissions: strict the bridge refuses the file",
    fix: (fault, { conf }) => guardFile(conf.path, fault),
    where: (_, { conf }) => conf.path,
  }),
  row("conf-fault", "error", {
    when: ({ conf }) => conf.fault,
    what: ({ text }, { conf }) => `the bridge cannot use ${conf.path}${conf.blank ? ", which is empty" : ""}: ${text}`,
    why: "no new pod starts, as under containerd 1.6; a new container of a running pod starts without its plugins",
    fix: ({ where, text }, { conf: { path, refusal, blank } }) => {
      if (text.includes("byte order mark")) return `save ${path} as UTF-8 without a byte order mark`;
      if (refusal === "EACCES") return "sudo nri-v01-bridge doctor";
      if (refusal === "EISDIR")
        return `mv -n ${shellWord(path)} ${shellWord(`${path}.directory`)} # then put the file that lists the plugins in its place`;
      if (blank)
        return `put back the file that listed the plugins; until then {"version": "0.1", "plugins": []} in ${path} lets pods start without plugins`;
      return `correct the file at ${where}`;
    },
  }),
  row("conf-ignored", "warning", {
    when: ({ conf }) => conf.ignored,
    what: ({ text }, { conf }) => `${conf.path} has ${text}`,
    why: "v0.1 clients read only version, plugins, type and conf of the first JSON value, and report no error for the rest",
    fix: ({ where, key, known }) => {
      const nearest = nearestName(key, known);
      // The fix does not say to rename the key: of two keys of one name only the last one counts.
      return nearest === undefined
        ? `remove this at ${where}; if it lists a plugin that is to run, add the plugin to plugins`
        : `at ${where} write "${nearest}" instead of "${key}", if that is meant; else remove "${key}"`;
    },
  }),
  row("conf-empty", "warning", {
    // The fix suggests no plugin's name: a plugin that conf.json lists and that is not installed fails every pod.
    when: ({ conf }) => conf.list?.plugins.length === 0,
    what: (_, { conf }) => `${conf.path} ${conf.exists ? "lists no plugin" : "does not exist"}`,
    why: "no plugin runs, and the bridge reports no error, like containerd 1.6",
    fix: "nothing, if no plugin is to run here; else put back the file that listed the plugins, or install them again",
    where: (_, { conf }) => conf.path,
  }),
  [
    row("plugin-refused", "error", {
      ...cannotRun,
      when: plugins(({ lookup }) => !lookup.ok && lookup.reason === "refused"),
      what: lookupError,
      fix: (_, facts) =>
        `as the type write the name of a program in ${facts.bridge.config.pluginDirs.join(" or ")}, without a path; or ${setBridge(facts, ["types"], "any")}`,
    }),
    row("plugin-not-executable", "error", {
      ...cannotRun,
      when: plugins(({ obstacle }) => obstacle),
      what: ({ type, path, obstacle }) => `${type}: ${path} ${obstacle}`,
      fix: ({ path, obstacle }) =>
        obstacle === "is not executable" ? `chmod 0755 ${shellWord(path)}` : `install the program as ${path}`,
    }),
    row("plugin-not-found", "error", {
      ...cannotRun,
      when: plugins(({ lookup }) => !lookup.ok),
      what: lookupError,
      fix: ({ type }, { bridge, conf }) => {
        if (type === "") return `give the entry in ${conf.path} a type, or take it out`;
        const place = type.includes("/") ? join("/", type) : join(bridge.config.pluginDirs[0] ?? "/", type);
        return `install the program as ${place}, with mode 0755; or, where its name is misspelt, correct it in ${conf.path}`;
      },
    }),
    row("plugin-no-shebang", "error", {
      ...cannotRun,
      when: plugins(({ binary }) => binary?.format === "none"),
      what: ({ path }) => `${path} is neither a program nor a script with a first line such as #!/bin/sh`,
      fix: "if it is a script, its first line has to name its interpreter; else install the program anew",
    }),
    row("plugin-wrong-architecture", "error", {
      ...cannotRun,
      when: plugins(({ binary }) => binary?.foreign),
      what: ({ path }, { self }) => `${path} is a program for another architecture; this machine is ${self.arch}`,
      fix: ({ path, type }, { self }) => `install the ${self.arch} build of ${type} as ${path}`,
    }),
    row("plugin-needs", "error", {
      ...cannotRun,
      when: plugins(({ binary }) => binary?.missing),
      // JSON.stringify shows a \r that a first line with the line end \r\n adds to the interpreter's name.
      what: ({ path, binary }) =>
        `${path} needs ${JSON.stringify(binary?.missing)}, which is ${binary?.missing?.startsWith("/") ? "missing or not executable" : "not on its PATH"}`,
      fix: ({ path, type, binary }) => {
        if (binary?.missing?.endsWith("\r")) return `write ${path} with line ends of \\n only`;
        return `install ${binary?.missing}, or ${binary?.format === "script" ? `correct the first line of ${path}` : `a static build (CGO_ENABLED=0) of ${type}`}`;
      },
    }),
  ],
  row("plugin-writable", "error", {
    severity: (_, facts) => (isStrict(facts) ? "error" : "warning"),
    when: plugins(({ permissionFault }) => permissionFault),
    what: ({ type, permissionFault }) => `${type}: ${permissionFault}`,
    why: (_, facts) =>
      `a user who can write this path can run programs as root${isStrict(facts) ? `, and the bridge refuses the plugin: ${runFails}` : ""}`,
    fix: ({ path, permissionFault }) => guardFile(path, permissionFault ?? ""),
  }),
  row("plugin-shadowed", "warning", {
    when: plugins(({ lookup }) => lookup.ok && lookup.shadowed.length > 0),
    what: ({ type, lookup }) =>
      `several executables are named ${type}: ${lookup.ok ? [lookup.path, ...lookup.shadowed].join(" and ") : ""}`,
    why: ({ path }) => `the bridge runs ${path}, and another one may be meant`,
    // The fix does not rename or remove one of these files, as other programs may use it.
    fix: ({ path, type }, { bridge, conf }) =>
      bridge.config.types === "plugin-dirs"
        ? `keep only one file named ${type} in ${bridge.config.pluginDirs.join(", ")}`
        : `if ${path} is meant, write "type": "${path}" in ${conf.path}, and use this name for its settings in the bridge's configuration`,
    where: ({ index }, { conf }) => `${conf.path}#/plugins/${index}`,
  }),
  row("plugin-for-nri-v2", "warning", {
    // The runtime launches an NRI v2 plugin, or the plugin runs as a service. When the bridge runs such a plugin, the plugin prints
    // no v0.1 result, and the pod fails.
    when: (facts): readonly (PluginFacts | Facts["unlisted"][number])[] => [
      ...plugins(({ binary }) => binary?.speaksNri2)(facts),
      ...facts.unlisted.filter(({ speaksNri2 }) => speaksNri2),
    ],
    severity: (plugin) => ("type" in plugin ? "warning" : "info"),
    what: ({ path }) => `${path} holds nri.pkg.api.v1alpha1: it speaks NRI v2`,
    why: `the bridge runs only plugins of NRI v0.1: with this one in conf.json, ${runFails}`,
    fix: (plugin, { conf, runtime }) =>
      `${"type" in plugin ? `take it out of ${conf.path}, if it does not speak v0.1 as well` : `leave it out of ${conf.path}`}; a plugin of NRI v2 runs as a service, or from ${runtime?.config.nri.pluginPath ?? "/opt/nri/plugins"}`,
  }),
  row("plugin-needs-conf", "error", {
    ...cannotRun,
    when: (facts) => knownIn(facts).filter(({ index }) => facts.conf.list?.plugins[index]?.conf === undefined),
    what: ({ type }, { conf }) =>
      `the entry of plugin ${type} in ${conf.path} has no "conf", and the plugin reads "conf" at each run`,
    fix: ({ type, known }, { conf }) =>
      `in ${conf.path} write {"type": ${JSON.stringify(type)}, "conf": ${known.conf}}, with its own values (docs/MIGRATION.md)`,
  }),
  row("plugin-needs-events", "warning", {
    when: (facts) =>
      knownIn(facts).filter(({ known, settings }) =>
        known.states.some((state) => !Object.values(settings.events).includes(state)),
      ),
    what: ({ type, known }) =>
      `${type} acts on ${known.states.join(" and ")} only, but the bridge runs it for create and delete`,
    why: "the plugin does nothing, and reports success",
    fix: ({ type, known }, facts) => setBridge(facts, ["plugins", type, "events"], known.events),
    where: (_, { bridge, conf }) => bridge.file ?? conf.path,
  }),
  row("plugin-not-listed", "info", {
    when: ({ unlisted }) => unlisted.filter(({ speaksNri2 }) => !speaksNri2),
    what: ({ path }) => `${path} is installed, and conf.json does not name it`,
    why: "the bridge does not run it",
    fix: ({ path }, { conf }) =>
      `nothing, unless it is a v0.1 plugin that is to run: then add {"type": ${JSON.stringify(basename(path))}} to plugins in ${conf.path}`,
  }),
  rowOfNode("plugin-cgroup-v1-only", "warning", {
    when: ({ plugins, cgroup }) =>
      cgroup === "v2" && plugins.filter((plugin) => plugin.cgroup !== "capture" && plugin.binary?.v1Only),
    what: ({ type, binary }) =>
      `${type} writes to cgroup v1 (${binary?.v1Names.slice(0, 3).join(", ")}), and this node has only v2`,
    why: "these files do not exist: the plugin fails, or does nothing and reports success",
    fix: ({ type }, facts) => {
      const { capture } = facts;
      // Where the bridge cannot make a captured view, this setting alone would fail each create: say first what allows a view.
      const first = capture?.ok === false ? `first ${capture.remedy.replace(/; or set cgroup: host$/, "")}; then ` : "";
      return `${first}${captureInCreate(facts, type)}`;
    },
  }),
  rowOfNode("phase-start-undone", "warning", {
    when: ({ plugins, cgroup, runtime }) =>
      cgroup === "v2" &&
      runtime !== undefined &&
      usesSystemd(runtime.config, runtime.name) &&
      plugins.filter(
        ({ settings, cgroup: seen }) =>
          settings.phase === "start" && seen === "capture" && settings.states.includes("create"),
      ),
    what: ({ type }) => `${type} changes cgroups in phase start, and systemd manages the cgroups of this node`,
    why: "each systemctl daemon-reload, which package upgrades run, undoes what the plugin wrote",
    fix: ({ type }, facts) => captureInCreate(facts, type),
    where: (_, { bridge }) => bridge.file ?? bridge.config.confFile,
  }),
  rowOfNode("capture-impossible", "error", {
    when: ({ plugins, capture }) => {
      const captured = plugins.filter(({ cgroup }) => cgroup === "capture");
      return capture?.ok === false && captured.length > 0 && { captured, ...capture };
    },
    severity: ({ captured }) => (captured.some(isAsked) ? "error" : "warning"),
    what: ({ captured, reason }) =>
      `the bridge cannot make a captured cgroup view for ${captured.map(({ type }) => type).join(", ")}: ${reason}`,
    why: ({ captured }) =>
      captured.some(isAsked)
        ? "with cgroup: capture the plugin's run fails, and with it the create"
        : "with cgroup: auto the plugin sees the node's own cgroups, and the container's cgroup does not exist yet",
    fix: ({ remedy }) => remedy,
    where: (_, { bridge }) => bridge.file ?? bridge.config.confFile,
  }),
];

function plugins(holds: (plugin: PluginFacts) => unknown): (facts: Facts) => readonly PluginFacts[] {
  return ({ plugins: all }) =>
    all.filter((plugin) => all.find(({ type }) => type === plugin.type) === plugin && holds(plugin));
}

/**
 * What the plugins need that docs/MIGRATION.md describes. Inspektor Gadget's gadget-container/hooks/nri (main.go and conf.json):
 * its installer leaves the conf out when conf.json already exists. nydus-snapshotter's cmd/rootfs-persister: its installer writes
 * its own pid into the conf.
 */
const knownPlugins = [
  { name: /^(.*-)?nrigadget$/, conf: '{"socketFile": "/run/gadgettracermanager.socket"}', states: [], events: "" },
  {
    name: /^rootfs-persister$/,
    conf: '{"pid": 1234}',
    states: ["postCreate", "removal"],
    events: "{PostCreateContainer: postCreate, RemoveContainer: removal}",
  },
] as const;

function knownIn(facts: Facts) {
  return plugins(() => true)(facts).flatMap((plugin) =>
    knownPlugins.filter(({ name }) => name.test(basename(plugin.type))).map((known) => ({ ...plugin, known })),
  );
}

function lookupError({ type, index, lookup }: PluginFacts): string {
  return lookup.ok ? type : `${type || `plugins[${index}]`}: ${lookup.error}`;
}

function listed({ conf }: Facts): readonly string[] {
  return conf.list?.plugins.map(({ type }) => type) ?? [];
}

function isStrict({ bridge }: Facts): boolean {
  return bridge.config.permissions === "strict";
}

/** Whether the configuration itself says `cgroup: capture`; false when the plugin gets a captured view by `auto`. */
function isAsked({ settings }: PluginFacts): boolean {
  return settings.cgroup === "capture";
}
