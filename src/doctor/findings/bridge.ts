import { nearestName } from "../../nearest.js";
import { isAtLeast, parseVersion } from "../../nri/versions.js";
import type { Facts } from "../facts.js";
import type { Finding } from "../finding.js";
import { guardFile } from "../permission-fix.js";

/** As package.json's `engines` has it. */
const oldestNode = "20.19.0";
const fullBytes = 1 << 20;
const lowBytes = 16 << 20;

/** The bridge's own configuration. */
export function bridgeFindings({ bridge, conf }: Facts): readonly Finding[] {
  const faults = bridge.faults.map(
    ({ where, text }): Finding => ({
      id: "bridge-config-fault",
      severity: "error",
      what: `the bridge's configuration is wrong: ${text}`,
      why: "as a service the bridge does not start; launched by the runtime it fails every create",
      fix: "correct the place; README.md lists every key",
      where: where === "" ? (bridge.file ?? "command line") : where,
    }),
  );
  const { permissionFault, file } = bridge;
  if (permissionFault !== null && file !== undefined) {
    faults.push({
      id: "bridge-config-permissions",
      severity: "error",
      what: permissionFault,
      why: "whoever can write it says where plugins are; with --config the bridge refuses it, unless --permissions trust is given",
      fix: guardFile(file, permissionFault),
      where: file,
    });
  }
  if (conf.list === undefined) return faults;
  const types = conf.list.plugins.map(({ type }) => type);
  const unused = Object.keys(bridge.config.plugins).filter((type) => !types.includes(type));
  return [
    ...faults,
    ...unused.map((type): Finding => {
      const nearest = nearestName(type, types);
      return {
        id: "bridge-settings-unused",
        severity: "warning",
        what: `the bridge's configuration has settings for ${type}, and conf.json lists no such plugin`,
        why: "the plugin that is meant runs with the global settings",
        fix:
          nearest === undefined
            ? `take plugins.${type} out, if ${type} is not going to be installed and listed in ${conf.path}`
            : `write ${nearest} for ${type} under plugins, if that is meant`,
        where: bridge.file ?? "command line",
      };
    }),
  ];
}

/** What the bridge itself needs of the node. */
export function selfFindings({ self, state }: Facts): readonly Finding[] {
  const found: Finding[] = [];
  const node = parseVersion(self.nodeVersion);
  if (node !== undefined && !isAtLeast(node, oldestNode)) {
    found.push({
      id: "node-too-old",
      severity: "error",
      what: `this is Node ${self.nodeVersion}, and the bridge needs ${oldestNode} or later`,
      why: "it may not start, or fail later",
      fix: "install Node 20.19 or later, or use the single executable",
      where: process.execPath,
    });
  }
  if (self.uid !== 0) {
    found.push({
      id: "not-root",
      severity: "warning",
      what: `this is user ${self.uid}, not root`,
      why: "the socket, the runtime's process and plugins' files may be out of reach: the findings may be incomplete, and a bridge of this user does not work",
      fix: "sudo nri-v01-bridge doctor",
      where: "",
    });
  }
  return [...found, ...stateFindings(state)];
}

function stateFindings({ directory, writable, freeBytes }: Facts["state"]): readonly Finding[] {
  if (directory === undefined) return [];
  const about = { where: directory, why: "the journal cannot be kept: after a crash a plugin may miss a delete" };
  if (!writable) {
    const fix = `make ${directory} a directory that is the bridge's alone (root's, mode 0700); in a container mount it from the host`;
    return [{ id: "state-not-writable", severity: "error", what: `${directory} cannot be written`, ...about, fix }];
  }
  if (freeBytes === undefined || freeBytes >= lowBytes) return [];
  const full = freeBytes < fullBytes;
  const what = `the disk of ${directory} has ${Math.floor(freeBytes / 1024)} KiB left`;
  const fix = `make room on the file system of ${directory}`;
  return [
    { id: full ? "state-disk-full" : "state-disk-low", severity: full ? "error" : "warning", what, ...about, fix },
  ];
}
