import { join } from "node:path";
import { nearestName } from "../../../base/nearest.js";
import { baseName } from "../../../host/node-files.js";
import type { PluginFacts, Unlisted } from "../collect/plugins.js";
import type { Facts } from "../facts.js";
import { rowOf, type Table } from "../finding.js";
import { guardFile, setBridge, shellWord } from "../fixes.js";

const row = rowOf("doctor", "migrate", "check");
const rowOfNode = rowOf("doctor", "migrate");

const confFault = "every pod sandbox fails to start, as under containerd 1.6; containers start without their plugins";
const runFails = "its run fails, and with it every pod or container that it is run for (onFailure.create: fail)";
const cannotRun = {
  severity: "error",
  why: runFails,
  where: ({ path, obstacle, index }: PluginFacts, { conf }: Facts) =>
    path || (obstacle?.path ?? `${conf.path}#/plugins/${index}`),
} as const;
/** A plugin that is listed and not there fails every pod: no name is guessed. */
const listAgain =
  "nothing, if no plugin is to run here; else put back the file that listed the plugins, or install them again";

/** The bridge's configuration, conf.json and its plugins: what `check` looks at, whatever the runtime. */
export const configurationRows: Table = [
  row({
    id: "bridge-config-fault",
    severity: "error",
    when: ({ bridge }) => bridge.faults,
    what: ({ text }) => `the bridge's configuration is wrong: ${text}`,
    why: "as a service the bridge does not start; launched by the runtime it fails every create",
    fix: "correct the place; the README lists every key",
    where: ({ where }, { bridge }) => where || (bridge.file ?? "command line"),
  }),
  row({
    id: "bridge-config-permissions",
    severity: "error",
    when: ({ bridge }): string | undefined => bridge.permissionFault ?? undefined,
    what: (fault) => fault,
    why: "a user who can write it says where plugins are; with --config the bridge refuses it, unless --permissions trust is given",
    fix: (fault, { bridge }) => guardFile(bridge.file ?? "", fault),
    where: (_, { bridge }) => bridge.file ?? "",
  }),
  row({
    id: "bridge-settings-unused",
    severity: "warning",
    when: (facts) =>
      facts.conf.list && Object.keys(facts.bridge.config.plugins).filter((type) => !listed(facts).includes(type)),
    what: (type) => `the bridge's configuration has settings for ${type}, and conf.json lists no such plugin`,
    why: "the plugin that is meant runs with the global settings",
    fix: (type, facts) => {
      const nearest = nearestName(type, listed(facts));
      return nearest === undefined
        ? `take plugins.${type} out, if ${type} is not going to be installed and listed in ${facts.conf.path}`
        : `write ${nearest} for ${type} under plugins, if that is meant`;
    },
    where: (_, { bridge }) => bridge.file ?? "command line",
  }),
  row({
    id: "conf-missing",
    severity: "warning",
    when: ({ conf }) => !conf.exists,
    what: (_, { conf }) => `${conf.path} is not there`,
    why: "without it no plugin runs, and that is no error: containerd 1.6 did the same",
    fix: listAgain,
    where: (_, { conf }) => conf.path,
  }),
  row({
    id: "conf-permissions",
    when: ({ conf }): string | undefined => conf.permissionFault ?? undefined,
    severity: (_, facts) => (isStrict(facts) ? "error" : "warning"),
    what: (fault) => fault,
    why: "a user who can write it says what runs as root; with permissions: strict the bridge refuses it",
    fix: (fault, { conf }) => guardFile(conf.path, fault),
    where: (_, { conf }) => conf.path,
  }),
  row({
    id: "conf-fault",
    severity: "error",
    when: ({ conf }) => conf.fault,
    what: ({ text }, { conf }) => `${conf.path} cannot be used${conf.blank ? ", it is empty" : ""}: ${text}`,
    why: confFault,
    fix: ({ where }, { conf: { path, refusal, blank } }) => {
      if (refusal === "EACCES") return "sudo nri-v01-bridge doctor";
      if (refusal === "EISDIR")
        return `mv -n ${shellWord(path)} ${shellWord(`${path}.directory`)} # then put the file that lists the plugins in its place`;
      if (blank)
        return `put back the file that listed the plugins; until then {"version": "0.1", "plugins": []} in ${path} lets pods start without any`;
      return `correct it at ${where}`;
    },
  }),
  row({
    id: "conf-trailing",
    severity: "warning",
    when: ({ conf }) => conf.trailing,
    what: (_, { conf }) => `there is text after the first JSON value of ${conf.path}`,
    why: "v0.1 clients ignore it: plugins that it names do not run",
    fix: (where) =>
      `take it out from ${where} on; plugins of it that are to run belong into the list of the first value`,
  }),
  row({
    id: "conf-unknown-key",
    severity: "warning",
    when: ({ conf }) => conf.unknownKeys,
    what: ({ text }, { conf }) => `${conf.path} has a key "${text}"`,
    why: "v0.1 knows version, plugins, type and conf alone, and ignores all else in silence",
    fix: ({ text, where }) => {
      const own = text.slice(text.lastIndexOf(".") + 1);
      const nearest = nearestName(own, text.includes("].") ? ["type", "conf"] : ["version", "plugins"]);
      // Of two keys of one name the last one counts alone.
      return `remove it at ${where}${nearest === undefined ? "" : `; if "${nearest}" was meant, what it says belongs there`}`;
    },
  }),
  row({
    id: "conf-empty",
    severity: "warning",
    when: ({ conf }) => conf.exists && conf.list?.plugins.length === 0,
    what: (_, { conf }) => `${conf.path} lists no plugin`,
    why: "no plugin runs, and that is no error",
    fix: listAgain,
    where: (_, { conf }) => conf.path,
  }),
  [
    row({
      id: "plugin-without-type",
      ...cannotRun,
      when: plugins(({ type }) => type === ""),
      what: ({ index }, { conf }) => `plugins[${index}] of ${conf.path} has no type`,
      fix: (_, { conf }) => `correct the entry in ${conf.path}, or take it out`,
    }),
    row({
      id: "plugin-refused",
      ...cannotRun,
      when: plugins(({ lookup }) => !lookup.ok && lookup.reason === "refused"),
      what: lookupError,
      fix: (_, facts) =>
        `write the name of a program in ${facts.bridge.config.pluginDirs.join(" or ")}, without a path; or ${setBridge(facts, ["types"], "any")}`,
    }),
    row({
      id: "plugin-is-directory",
      ...cannotRun,
      when: plugins(({ obstacle }) => obstacle?.kind === "directory"),
      what: ({ type, obstacle }) => `${type}: ${obstacle?.path} is a directory, where a program is to be`,
      fix: "if the program is in it, move it up, or write its path as type",
    }),
    row({
      id: "plugin-dangling-link",
      ...cannotRun,
      when: plugins(({ obstacle }) => obstacle?.kind === "link"),
      what: ({ type, obstacle }) => `${type}: ${obstacle?.path} is a link to ${obstacle?.target}, which is not there`,
      fix: ({ obstacle }) => `install ${obstacle?.target}, or let the link lead to the program`,
    }),
    row({
      id: "plugin-not-executable",
      ...cannotRun,
      when: plugins(({ obstacle }) => obstacle?.kind === "mode"),
      what: ({ obstacle }) => `${obstacle?.path} is not executable`,
      fix: ({ obstacle }) => `chmod 0755 ${shellWord(obstacle?.path ?? "")}`,
    }),
    row({
      id: "plugin-not-found",
      ...cannotRun,
      when: plugins(({ lookup }) => !lookup.ok),
      what: lookupError,
      fix: ({ type }, { bridge, conf }) => {
        const place = type.includes("/") ? join("/", type) : join(bridge.config.pluginDirs[0] ?? "/", type);
        return `install the program as ${place}, with mode 0755; or, where its name is misspelt, correct it in ${conf.path}`;
      },
    }),
    row({
      id: "plugin-no-shebang",
      ...cannotRun,
      when: plugins(({ binary }) => binary?.format === "none"),
      what: ({ path }) => `${path} is neither a program nor a script with a first line such as #!/bin/sh`,
      fix: "if it is a script, its first line has to name its interpreter; else install the program anew",
    }),
    row({
      id: "plugin-wrong-architecture",
      ...cannotRun,
      when: plugins(({ binary }) => binary?.foreignMachine !== undefined),
      what: ({ path, binary }, { self }) =>
        `${path} is a program for ${machineNames[binary?.foreignMachine ?? 0] ?? `ELF machine ${binary?.foreignMachine}`}, and this machine is ${self.arch}`,
      fix: ({ path, type }, { self }) => `install the ${self.arch} build of ${type} as ${path}`,
    }),
    row({
      id: "plugin-carriage-return",
      ...cannotRun,
      when: plugins(({ binary }) => binary?.carriageReturn),
      what: ({ path }) => `the first line of ${path} ends with a carriage return (\\r), which becomes a part of it`,
      fix: "write the file with line ends of \\n alone",
    }),
    row({
      id: "plugin-no-interpreter",
      ...cannotRun,
      when: plugins(({ binary }) => binary?.format === "script" && binary.missing !== undefined),
      what: ({ path, binary }) =>
        `${path} needs ${binary?.missing}, which is ${binary?.missing?.startsWith("/") ? "not there" : "not on its PATH"}`,
      fix: ({ path, binary }) => `install ${binary?.missing}, or correct the first line of ${path}`,
    }),
    row({
      id: "plugin-no-loader",
      ...cannotRun,
      when: plugins(({ binary }) => binary?.missing),
      what: ({ path, binary }) => `${path} needs ${binary?.missing}, which is not there`,
      fix: ({ type, binary }) =>
        `install the C library that has ${binary?.missing}, or a static build (CGO_ENABLED=0) of ${type}`,
    }),
    row({
      id: "plugin-noexec",
      ...cannotRun,
      when: plugins(({ binary }) => binary?.noexec),
      what: ({ path }) => `${path} lies on a file system that is mounted noexec`,
      fix: ({ type }) => `install ${type} on another file system`,
    }),
  ],
  row({
    id: "plugin-writable",
    severity: (_, facts) => (isStrict(facts) ? "error" : "warning"),
    when: plugins(({ permissionFault }) => permissionFault),
    what: ({ type, permissionFault }) => `${type}: ${permissionFault}`,
    why: (_, facts) =>
      `a user who can write it is root on this node${isStrict(facts) ? `, and the bridge refuses it: ${runFails}` : ""}`,
    fix: ({ path, permissionFault }) => guardFile(path, permissionFault ?? ""),
  }),
  row({
    id: "plugin-shadowed",
    severity: "warning",
    when: plugins(({ lookup }) => lookup.ok && lookup.shadowed.length > 0),
    what: ({ type, lookup }) => `${type} is ${lookup.ok ? [lookup.path, ...lookup.shadowed].join(" and ") : ""}`,
    why: "one of them runs, and it may not be the one that is meant",
    // Other programs may use any of them: none is renamed or removed.
    fix: ({ path }, { bridge, conf }) =>
      bridge.config.types === "plugin-dirs"
        ? `leave one of that name in ${bridge.config.pluginDirs.join(", ")}`
        : `if ${path} is meant, "type": "${path}" in ${conf.path} says so (and settings of the bridge for it)`,
    where: entryOf,
  }),
  row({
    // A program that the runtime launches, or that runs as a service: asked for a v0.1 result it has none, and the pod fails.
    id: "plugin-for-nri-v2",
    when: (facts): readonly (PluginFacts | Unlisted)[] => [
      ...plugins(({ binary }) => binary?.speaksNri2)(facts),
      ...facts.unlisted.filter(({ speaksNri2 }) => speaksNri2),
    ],
    severity: (plugin) => ("type" in plugin ? "warning" : "info"),
    what: ({ path }) => `${path} holds nri.pkg.api.v1alpha1: it speaks NRI v2`,
    why: `the bridge runs plugins of v0.1; ${runFails}`,
    fix: (plugin, { conf, runtime }) =>
      `${"type" in plugin ? `take it out of ${conf.path}, if it does not speak v0.1 as well` : `leave it out of ${conf.path}`}; a plugin of NRI v2 runs as a service, or from ${runtime?.config.nri.pluginPath ?? "/opt/nri/plugins"}`,
  }),
  row({
    id: "plugin-not-listed",
    severity: "info",
    when: ({ unlisted }) => unlisted.filter(({ speaksNri2 }) => !speaksNri2),
    what: ({ path }) => `${path} is installed, and conf.json does not name it`,
    why: "it does not run",
    fix: ({ path }, { conf }) =>
      `nothing, unless it is a v0.1 plugin that is to run: then add {"type": ${JSON.stringify(baseName(path))}} to plugins in ${conf.path}`,
  }),
  rowOfNode({
    id: "plugin-cgroup-v1-only",
    severity: "warning",
    when: ({ plugins, cgroup }) =>
      cgroup.version === "v2" && plugins.filter((plugin) => plugin.cgroup !== "capture" && plugin.binary?.v1Only),
    what: ({ type, binary }) =>
      `${type} writes to cgroup v1 (${binary?.v1Names.slice(0, 3).join(", ")}), and this node has v2 alone`,
    why: "the files are not there: the plugin fails, or does nothing and says all is well",
    fix: ({ type }, facts) => {
      const { capture } = facts;
      // Where no view can be made, each create of the plugin would fail with it.
      const first = capture?.ok === false ? `first ${capture.remedy.replace(/; or set cgroup: host$/, "")}; then ` : "";
      return `${first}${setBridge(facts, ["plugins", type, "cgroup"], "capture")} (the plugin gets its own v1 view, and what it writes is applied; with phase: create it lasts)`;
    },
  }),
  rowOfNode({
    id: "capture-impossible",
    when: ({ plugins, capture }) => {
      const captured = plugins.filter(({ cgroup }) => cgroup === "capture");
      return capture?.ok === false && captured.length > 0 && { captured, ...capture };
    },
    severity: ({ captured }) => (captured.some(isAsked) ? "error" : "warning"),
    what: ({ captured, reason }) =>
      `no captured cgroup view can be made for ${captured.map(({ type }) => type).join(", ")}: ${reason}`,
    why: ({ captured }) =>
      captured.some(isAsked)
        ? "with cgroup: capture the plugin's run fails, and with it the create"
        : "with cgroup: auto the plugin sees the node's own cgroups, where the container's is not made yet",
    fix: ({ remedy }) => remedy,
    where: (_, { bridge }) => bridge.file ?? bridge.config.confFile,
  }),
];

/** e_machine of elf.h by its usual names. */
const machineNames: Readonly<Record<number, string>> = {
  3: "i386",
  40: "arm",
  62: "x86-64",
  183: "arm64",
  243: "riscv64",
};

/** The plugins of conf.json of which this is true. One that is listed twice is one file. */
function plugins(holds: (plugin: PluginFacts) => unknown): (facts: Facts) => readonly PluginFacts[] {
  return ({ plugins: all }) =>
    all.filter((plugin) => all.find(({ type }) => type === plugin.type) === plugin && holds(plugin));
}

/** The place of a plugin in conf.json. */
function entryOf({ index }: PluginFacts, { conf }: Facts): string {
  return `${conf.path}#/plugins/${index}`;
}

function lookupError({ type, lookup }: PluginFacts): string {
  return lookup.ok ? type : `${type}: ${lookup.error}`;
}

function listed({ conf }: Facts): readonly string[] {
  return conf.list?.plugins.map(({ type }) => type) ?? [];
}

function isStrict({ bridge }: Facts): boolean {
  return bridge.config.permissions === "strict";
}

/** Whether a captured view was asked for, and is not but what `auto` comes to. */
function isAsked({ settings }: PluginFacts): boolean {
  return settings.cgroup === "capture";
}
