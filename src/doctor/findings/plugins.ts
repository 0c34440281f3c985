import { join } from "node:path";
import { searchPath } from "../../legacy/environment.js";
import type { BinaryFacts, Facts, PluginFacts } from "../facts.js";
import type { Finding } from "../finding.js";
import { shellWord } from "../finding.js";
import { setBridge } from "../fixes.js";
import { guardFile } from "../permission-fix.js";

/** Whether each plugin of conf.json can be run at all. */
export function pluginFindings(facts: Facts): readonly Finding[] {
  // A plugin that is listed twice is one file.
  const once = facts.plugins.filter(
    ({ type, index }) => facts.plugins.findIndex((other) => other.type === type) === index,
  );
  return [...once.flatMap((plugin) => findingsOf(plugin, facts)), ...unlisted(facts)];
}

const noCreate = "its run fails, and with it every pod or container that it is run for (onFailure.create: fail)";

function findingsOf(plugin: PluginFacts, facts: Facts): readonly Finding[] {
  const { lookup, type, index } = plugin;
  if (!lookup.ok) return [notFound(plugin, facts)];
  const found: Finding[] = [];
  if (plugin.permissionFault !== null) {
    const strict = facts.bridge.config.permissions === "strict";
    found.push({
      id: "plugin-writable",
      severity: strict ? "error" : "warning",
      what: `${type}: ${plugin.permissionFault}`,
      why: strict
        ? `whoever can write it is root on this node, so the bridge refuses it: ${noCreate}`
        : "whoever can write it is root on this node",
      fix: guardFile(lookup.path, plugin.permissionFault),
      where: lookup.path,
    });
  }
  if (lookup.shadowed.length > 0) {
    found.push({
      id: "plugin-shadowed",
      severity: "warning",
      what: `${type} is ${lookup.path} and ${lookup.shadowed.join(" and ")}`,
      why: "one of them runs, and it may not be the one that is meant",
      fix: sayWhich(lookup.path, facts),
      where: `${facts.conf.path}#/plugins/${index}`,
    });
  }
  if (plugin.binary?.speaksNri2) found.push(notForConf(lookup.path, "warning", facts));
  if (plugin.binary !== undefined) found.push(...binaryFindings(type, plugin.binary, lookup.path, facts.self.arch));
  return found;
}

/** Other programs may use any of them: none is renamed or removed. */
function sayWhich(path: string, { bridge, conf }: Facts): string {
  if (bridge.config.types === "plugin-dirs") return `leave one of that name in ${bridge.config.pluginDirs.join(", ")}`;
  return `if ${path} is meant, "type": "${path}" in ${conf.path} says so (and settings of the bridge for it)`;
}

function notFound({ type, index, lookup, obstacle, nearest }: PluginFacts, facts: Facts): Finding {
  const { bridge, conf, runtime } = facts;
  const where = `${conf.path}#/plugins/${index}`;
  const error = lookup.ok ? "" : lookup.error;
  const hint = lookup.ok ? null : lookup.hint;
  const why = noCreate;
  if (type === "") {
    const what = `plugins[${index}] of conf.json has no type`;
    return {
      id: "plugin-without-type",
      severity: "error",
      what,
      why,
      fix: `correct the entry in ${conf.path}, or take it out`,
      where,
    };
  }
  if (!lookup.ok && lookup.reason === "refused") {
    const dirs = bridge.config.pluginDirs.join(" or ");
    const fix = `write the name of a program in ${dirs}, without a path; or ${setBridge(facts, ["types"], "any")}`;
    return { id: "plugin-refused", severity: "error", what: `${type}: ${error}`, why, fix, where };
  }
  if (obstacle !== undefined) return obstructed(type, obstacle);
  const present = / is no executable file/.test(hint ?? "")
    ? (hint ?? "").split(" is no executable file")[0]
    : undefined;
  const path = present ?? (type.startsWith("/") && !lookup.ok && lookup.reason === "not-executable" ? type : undefined);
  if (path !== undefined) {
    const what = `${path} is not executable`;
    return {
      id: "plugin-not-executable",
      severity: "error",
      what,
      why,
      fix: `chmod 0755 ${shellWord(path)}`,
      where: path,
    };
  }
  const looked = `looked in ${searchPath(runtime?.searchPath, bridge.config.pluginDirs)}`;
  const place = type.startsWith("/")
    ? type
    : join(type.includes("/") ? "/" : (bridge.config.pluginDirs[0] ?? ""), type);
  const install = `install the program as ${place}, with mode 0755`;
  const meant = nearest === undefined ? "" : `write "type": "${nearest}" in ${conf.path}, if that is meant; else `;
  const fix = `${meant}${install}${type.includes("/") ? "" : ` (${looked})`}`;
  return { id: "plugin-not-found", severity: "error", what: `${type}: ${error}`, why, fix, where };
}

/** What stands where the plugin is to be. */
function obstructed(type: string, obstacle: NonNullable<PluginFacts["obstacle"]>): Finding {
  const about = { severity: "error", why: noCreate, where: obstacle.path } as const;
  if (obstacle.kind === "directory") {
    const what = `${type}: ${obstacle.path} is a directory, where a program is to be`;
    const fix = "if the program is in it, move it up, or write its path as type";
    return { ...about, id: "plugin-is-directory", what, fix };
  }
  const what = `${type}: ${obstacle.path} is a link to ${obstacle.target}, which is not there`;
  const fix = `install ${obstacle.target}, or let the link lead to the program`;
  return { ...about, id: "plugin-dangling-link", what, fix };
}

/** e_machine of elf.h by its usual names. */
const machineNames: Readonly<Record<number, string>> = {
  3: "i386",
  40: "arm",
  62: "x86-64",
  183: "arm64",
  243: "riscv64",
};

function binaryFindings(type: string, binary: BinaryFacts, path: string, arch: string): readonly Finding[] {
  const about = { severity: "error", why: noCreate, where: path } as const;
  const file = shellWord(path);
  if (binary.format === "none") {
    const what = `${type}: ${path} is neither a program nor a script with a first line such as #!/bin/sh`;
    const fix = "if it is a script, its first line has to name its interpreter; else install the program anew";
    return [{ ...about, id: "plugin-no-shebang", what, fix }];
  }
  if (!binary.ownMachine) {
    const machine = binary.machine ?? 0;
    const what = `${type}: ${path} is a program for ${machineNames[machine] ?? `ELF machine ${machine}`}, and this machine is ${arch}`;
    return [
      {
        ...about,
        id: "plugin-wrong-architecture",
        what,
        fix: `install the ${arch} build of ${type} as ${file}`,
      },
    ];
  }
  if (binary.carriageReturn) {
    return [
      {
        ...about,
        id: "plugin-carriage-return",
        what: `${type}: the first line of ${path} ends with a carriage return (\\r), which is taken for a part of it`,
        fix: "write the file with line ends of \\n alone",
      },
    ];
  }
  if (binary.interpreterFound && binary.program !== undefined && !binary.programFound) {
    return [
      {
        ...about,
        id: "plugin-no-interpreter",
        what: `${type}: ${path} needs ${binary.program}, which ${binary.interpreter} does not find on PATH`,
        fix: `install ${binary.program}, or correct the first line of ${file}`,
      },
    ];
  }
  if (!binary.interpreterFound) {
    const elf = binary.format === "elf";
    return [
      {
        ...about,
        id: elf ? "plugin-no-loader" : "plugin-no-interpreter",
        what: `${type}: ${path} needs ${binary.interpreter}, which is not there`,
        fix: elf
          ? `install the C library that has ${binary.interpreter}, or a static build (CGO_ENABLED=0) of ${type}`
          : `install ${binary.interpreter}, or correct the first line of ${file}`,
      },
    ];
  }
  if (!binary.noexec) return [];
  const what = `${type}: ${path} lies on a file system that is mounted noexec`;
  return [{ ...about, id: "plugin-noexec", what, fix: `install ${type} on another file system` }];
}

function unlisted(facts: Facts): readonly Finding[] {
  return facts.unlisted.map(({ path, speaksNri2 }) => {
    if (speaksNri2) return notForConf(path, "info", facts);
    const type = path.slice(path.lastIndexOf("/") + 1);
    return {
      id: "plugin-not-listed",
      severity: "info",
      what: `${path} is installed, and conf.json does not name it`,
      why: "it does not run",
      fix: `nothing, unless it is a v0.1 plugin that is to run: then add {"type": ${JSON.stringify(type)}} to plugins in ${facts.conf.path}`,
      where: path,
    };
  });
}

/** A program that the runtime launches, or that runs as a service: asked for a v0.1 result it has none, and the pod fails. */
function notForConf(path: string, severity: "warning" | "info", { conf, runtime }: Facts): Finding {
  const directory = runtime?.config.nri.pluginPath ?? "/opt/nri/plugins";
  const elsewhere = `a plugin of NRI v2 runs as a service, or from ${directory}`;
  return {
    id: "plugin-for-nri-v2",
    severity,
    what: `${path} holds nri.pkg.api.v1alpha1: it speaks NRI v2`,
    why: `the bridge runs plugins of v0.1; ${noCreate}`,
    fix:
      severity === "info"
        ? `leave it out of ${conf.path}; ${elsewhere}`
        : `take it out of ${conf.path}, if it does not speak v0.1 as well; ${elsewhere}`,
    where: path,
  };
}
