import { nriSection, place } from "../collect/containerd-config.js";
import type { Facts, RuntimeFacts } from "../facts.js";
import type { Finding } from "../finding.js";
import { editRuntime, restart, setNri } from "../fixes.js";
import { lineOf } from "../toml.js";
import { isContainerd, nameOf, speaksNri2 } from "./runtime.js";

/** What of `io.containerd.grpc.v1.cri` a file of version 3 may still hold (containerd 2.x, ServerConfig). */
const serverKeys = new Set([
  "disable_tcp_service",
  "stream_server_address",
  "stream_server_port",
  "stream_idle_timeout",
  "enable_tls_streaming",
  "x509_key_pair_streaming",
]);

/** Whether the runtime's own configuration lets NRI v2 work. */
export function runtimeConfigFindings({ runtime, launched }: Facts): readonly Finding[] {
  if (runtime === undefined || speaksNri2(runtime) === false) return [];
  const faults = runtime.config.faults.map(
    ({ where, text }): Finding => ({
      id: "runtime-config-fault",
      severity: "error",
      what: `${runtime.name}'s configuration cannot be read: ${text}`,
      why: `${runtime.name} does not start with it, and nothing in this file is certain`,
      fix: `correct the file, then ${restart(runtime)}`,
      where,
    }),
  );
  faults.push(...unreadable(runtime));
  if (faults.length > 0) return faults;
  const ignored = [...ignoredSection(runtime), ...tooNew(runtime)];
  const rest =
    ignored.length > 0
      ? ignored
      : switchFindings(
          runtime,
          launched.some(({ bridge }) => bridge),
        );
  return [...rest, ...oldKeys(runtime)];
}

/** What is kept from us may say anything: nothing is told from the rest. */
function unreadable(runtime: RuntimeFacts): readonly Finding[] {
  return runtime.config.unreadable.map(({ where, text }) => ({
    id: "runtime-config-unreadable",
    severity: "warning",
    what: `${runtime.name}'s configuration may not be read by this user: ${where} (${text})`,
    why: "whether NRI is switched on, and how long a chain of plugins may take, is not known",
    fix: "sudo nri-v01-bridge doctor",
    where,
  }));
}

/** The NRI section of a file whose version has another name for it. */
function passedOver(runtime: RuntimeFacts) {
  const { config } = runtime;
  if ((config.version ?? 1) >= 2 || !isContainerd(runtime, "1.7.0", "2.0.0")) return undefined;
  return config.sections.find(({ name }) => name === nriSection);
}

/** Whether NRI's settings are known, and more of them can be added as the file is. */
export function isSettled(runtime: RuntimeFacts): boolean {
  const { faults, unreadable: kept } = runtime.config;
  return faults.length + kept.length === 0 && passedOver(runtime) === undefined && tooNew(runtime).length === 0;
}

/** compat: measured on 1.7.24: without `version` a file is of version 1, in which NRI's section is `[plugins.nri]`. */
function ignoredSection(runtime: RuntimeFacts): readonly Finding[] {
  const section = passedOver(runtime);
  if (section === undefined) return [];
  return [
    {
      id: "containerd-config-unversioned",
      severity: "error",
      what: `config.toml has no version = 2, so ${nameOf(runtime)} passes over [plugins."${nriSection}"]`,
      why: "NRI stays switched off whatever the section says: no plugin runs, and nothing says so",
      fix: declareVersion(runtime, section.where),
      where: section.where,
    },
  ];
}

/**
 * compat: measured on 1.7.24: with `version = 2` it does not start over `[plugins.cri]` or a short name in disabled_plugins. A
 * file that has more of version 1 stays one, and its NRI section gets the name that it has there.
 */
function declareVersion(runtime: RuntimeFacts, where: string): string {
  const { config } = runtime;
  const names = [...config.sections, ...config.disabledPlugins].map(({ name }) => name);
  const modern = names.every((name) => name.startsWith("io.containerd.")) && config.version === undefined;
  if (modern) return editRuntime(runtime, `${config.path}:1`, "add version = 2 as the first line");
  return editRuntime(runtime, where, `write [plugins.nri] for [plugins."${nriSection}"], its name in version 1`);
}

/** The newest version of config.toml that a containerd takes (its version.ConfigVersion). */
function newestVersion(runtime: RuntimeFacts): number {
  if (isContainerd(runtime, "2.3.0")) return 4;
  return isContainerd(runtime, "2.0.0") ? 3 : 2;
}

function tooNew(runtime: RuntimeFacts): readonly Finding[] {
  const { config, version } = runtime;
  if (runtime.name !== "containerd" || version === "" || config.version === undefined) return [];
  const newest = newestVersion(runtime);
  if (config.version <= newest) return [];
  return [
    {
      id: "containerd-config-too-new",
      severity: "error",
      what: `config.toml is of version ${config.version}, and ${nameOf(runtime)} takes ${newest} at most`,
      why: "containerd does not start again with this file",
      fix: `put back the file of version ${newest} that \`containerd config migrate\` was given, and only then ${restart(runtime)}`,
      where: config.path,
    },
  ];
}

function oldKeys(runtime: RuntimeFacts): readonly Finding[] {
  const { config } = runtime;
  if (!isContainerd(runtime, "2.0.0") || (config.version ?? 1) < 3) return [];
  return config.sections.flatMap(({ name, keys, where }) => {
    const ignored = name === "io.containerd.grpc.v1.cri" ? keys.filter((key) => !serverKeys.has(key)) : [];
    if (ignored.length === 0) return [];
    return [
      {
        id: "containerd-config-old-keys",
        severity: "warning" as const,
        what: `in a config.toml of version ${config.version}, ${ignored.join(", ")} under [plugins."${name}"] is passed over`,
        why: "containerd 1.7's settings do not hold: runtimes, the cgroup driver and pod_annotations, which plugins see the effect of, are the defaults",
        fix: backToVersion2(runtime, name),
        where,
      },
    ];
  });
}

/** As version 2, if nothing in it needs 3: containerd then takes the old names, and migrates them in memory. */
function backToVersion2(runtime: RuntimeFacts, name: string): string {
  const { config } = runtime;
  const newer = config.sections.some((section) => section.name.startsWith("io.containerd.cri.v1."));
  if (!newer) {
    const text = config.files.find((file) => file.path === config.path)?.text ?? "";
    return editRuntime(runtime, place(config.path, lineOf(text, [], "version")), "set version = 2");
  }
  return editRuntime(
    runtime,
    config.path,
    `move the settings of [plugins."${name}"] to [plugins."io.containerd.cri.v1.runtime"] and [plugins."io.containerd.cri.v1.images"]`,
  );
}

function switchFindings(runtime: RuntimeFacts, launchesBridge: boolean): readonly Finding[] {
  const { config } = runtime;
  const { nri } = config;
  const listed = config.disabledPlugins.filter(({ name }) => name === nriSection || name === "nri");
  const [first] = listed;
  if (first !== undefined) {
    return [
      {
        id: "nri-disabled",
        severity: "error",
        what: `disabled_plugins of ${nameOf(runtime)} holds ${first.name}`,
        why: "without it no plugin runs, and nothing says so",
        fix: enablePlugins(runtime, listed),
        where: placeOfList(runtime, first.file),
      },
    ];
  }
  if (!nri.enabled) {
    const byDefault = nri.switchedAt === undefined;
    return [
      {
        id: "nri-disabled",
        severity: "error",
        what: `NRI is switched off in ${nameOf(runtime)}${byDefault ? ", which is its default" : ""}`,
        why: "there is no socket, no plugin runs, and nothing says so",
        fix: setNri(runtime, { key: "disable", at: nri.switchedAt }, false),
        where: nri.switchedAt ?? config.path,
      },
    ];
  }
  return [...withoutCri(runtime), ...(nri.connections || launchesBridge ? [] : [noConnections(runtime)])];
}

/** NRI's events come from the CRI plugin; Docker's packages switch it off. */
function withoutCri(runtime: RuntimeFacts): readonly Finding[] {
  const { config } = runtime;
  const names = ["io.containerd.grpc.v1.cri", "cri"];
  const listed = config.disabledPlugins.filter(({ name }) => names.includes(name));
  const [first] = listed;
  if (first === undefined) return [];
  return [
    {
      id: "cri-disabled",
      severity: "error",
      what: `disabled_plugins of ${nameOf(runtime)} holds ${first.name}`,
      why: "NRI's events come from CRI: without it there are no pods, and no plugin runs",
      fix: enablePlugins(runtime, listed),
      where: placeOfList(runtime, first.file),
    },
  ];
}

/** Out of `disabled_plugins`, in each file that lists them. */
function enablePlugins(runtime: RuntimeFacts, listed: RuntimeFacts["config"]["disabledPlugins"]): string {
  const places = [...new Set(listed.map(({ file }) => placeOfList(runtime, file)))].join(" and ");
  const names = [...new Set(listed.map(({ name }) => `"${name}"`))].join(" and ");
  return editRuntime(runtime, places, `take ${names} out of disabled_plugins`);
}

function placeOfList({ config }: RuntimeFacts, path: string): string {
  const text = config.files.find((file) => file.path === path)?.text ?? "";
  return place(path, lineOf(text, [], "disabled_plugins"));
}

function noConnections(runtime: RuntimeFacts): Finding {
  const { connectionsAt } = runtime.config.nri;
  return {
    id: "nri-connections-disabled",
    severity: "error",
    what: `${nameOf(runtime)} lets no plugin connect, and launches no bridge`,
    why: "the bridge that runs as a service cannot register",
    fix: setNri(runtime, { key: "disable_connections", at: connectionsAt }, false),
    where: connectionsAt ?? runtime.config.path,
  };
}
