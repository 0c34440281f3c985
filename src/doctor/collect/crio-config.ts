import { join } from "node:path";
import { isAtLeast, type Version } from "../../nri/versions.js";
import type { ConfigFault, RuntimeConfig } from "../facts.js";
import type { NodeFiles } from "../node-files.js";
import { durationMs, lineOf, parseToml, tableAt } from "../toml.js";
import { place } from "./containerd-config.js";

/** Reads crio.conf and the files of its drop-in directory, later ones over earlier ones, as crio.conf.d(5) says. */
export function readCrioConfig(
  files: NodeFiles,
  path: string,
  directory: string,
  crio: Version | undefined,
): RuntimeConfig {
  const faults: ConfigFault[] = [];
  const unreadable: ConfigFault[] = [];
  const values = new Map<string, { readonly value: unknown; readonly where: string }>();
  // Its directory may be kept from us as a file may.
  if (files.refusal(directory) === "EACCES") unreadable.push({ where: directory, text: "EACCES" });
  for (const file of [path, ...files.list(directory).map((name) => join(directory, name))]) {
    if (files.refusal(file) === "EACCES") unreadable.push({ where: file, text: "EACCES" });
    const text = files.stat(file)?.isFile() === true ? files.readText(file) : undefined;
    if (text === undefined) continue;
    const parsed = parseToml(text);
    if (!parsed.ok) {
      faults.push({ where: `${file}:${parsed.line}:${parsed.column}`, text: parsed.reason });
      continue;
    }
    for (const [key, value] of Object.entries(tableAt(parsed.table, "crio", "nri"))) {
      values.set(key, { value, where: place(file, lineOf(text, ["crio", "nri"], key)) });
    }
  }
  const text = (key: string, otherwise: string) => {
    const value = values.get(key)?.value;
    return typeof value === "string" && value !== "" ? value : otherwise;
  };
  const enabled = values.get("enable_nri")?.value;
  return {
    path,
    exists: files.mayExist(path),
    files: [],
    faults,
    unreadable,
    version: undefined,
    sections: [],
    nriSection: "crio.nri",
    disabledPlugins: [],
    nri: {
      // compat: CRI-O has NRI on by default from 1.30 on.
      enabled: typeof enabled === "boolean" ? enabled : crio === undefined || isAtLeast(crio, "1.30.0"),
      switchedAt: values.get("enable_nri")?.where,
      connections: values.get("nri_disable_connections")?.value !== true,
      connectionsAt: values.get("nri_disable_connections")?.where,
      socketPath: text("nri_listen", "/var/run/nri/nri.sock"),
      pluginPath: text("nri_plugin_dir", "/opt/nri/plugins"),
      pluginConfigPath: text("nri_plugin_config_dir", "/etc/nri/conf.d"),
      requestTimeoutMs: durationMs(values.get("nri_plugin_request_timeout")?.value) || 2000,
      requestTimeoutAt: values.get("nri_plugin_request_timeout")?.where,
    },
  };
}
