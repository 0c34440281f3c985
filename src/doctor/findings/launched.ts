import { dirname } from "node:path";
import { defaultConfig } from "../../config/schema.js";
import type { Facts, LaunchedFacts } from "../facts.js";
import type { Finding } from "../finding.js";
import { shellWord } from "../finding.js";
import { restart, setBridge } from "../fixes.js";
import { isContainerd, speaksNri2 } from "./runtime.js";

/** The directory of plugins that the runtime launches: what breaks it, and whether our own executable works. */
export function launchedFindings(facts: Facts): readonly Finding[] {
  const { runtime, launched } = facts;
  if (runtime === undefined || speaksNri2(runtime) === false) return [];
  const badly = launched
    .filter(({ executable, index }) => executable && index === undefined)
    .map((file) => badName(file, facts));
  const ours = launched.filter(({ bridge, index }) => bridge && index !== undefined);
  return [...badly, ...ours.flatMap((file) => ownFindings(file, facts)), ...twins(facts)];
}

function badName({ path }: LaunchedFacts, { runtime }: Facts): Finding {
  const down = isContainerd(runtime, "1.7.0", "2.0.0") ? "containerd 1.7 exits over it" : "NRI does not start";
  return {
    id: "launched-bad-name",
    severity: "error",
    what: `${path} is executable, and its name is not NN-name`,
    why: `one such file makes the whole discovery of plugins fail: ${down}`,
    fix: `${moveOut(path)} # then ${restartOf(runtime)}; one that is to be launched comes back as NN-name, such as 10-name`,
    where: path,
  };
}

/** A file that the runtime is not to launch. Its mode would not do: a link counts as executable, and leads to another's file. */
function moveOut(path: string): string {
  return `mv -n ${shellWord(path)} ${shellWord(`${dirname(dirname(path))}/`)}`;
}

function restartOf(runtime: Facts["runtime"]): string {
  return runtime === undefined ? "restart the runtime" : restart(runtime);
}

function ownFindings(
  { path, executable, missingPrograms }: LaunchedFacts,
  { runtime, adapters }: Facts,
): readonly Finding[] {
  // Switched off, and another one runs: two would run every plugin twice.
  if (!executable && adapters.some(({ name }) => name === "nri-v01-bridge")) return [];
  // One that cannot start is not to be launched: containerd 1.7 would exit over it.
  if (!executable && missingPrograms.length === 0) {
    return [
      {
        id: "launched-not-executable",
        severity: "error",
        what: `${path} is not executable`,
        why: "the runtime passes over it in silence, and no plugin runs",
        fix: `chmod 0755 ${shellWord(path)} # then ${restartOf(runtime)}`,
        where: path,
      },
    ];
  }
  return missingPrograms.map((program) => ({
    id: "launched-cannot-start",
    severity: "error",
    what: program.startsWith("/")
      ? `${path} starts ${program}, which is not there or not executable`
      : `${path} starts ${program}, which is neither in /usr/bin nor in /bin`,
    why: "a runtime gives the plugins that it launches no PATH; the bridge does not start, and no plugin runs",
    fix: program.startsWith("/")
      ? `install ${program}`
      : `let it name ${program} by its path; deploy/launched/install.sh --node writes it so`,
    where: path,
  }));
}

/** Two that run the same v0.1 plugins, or that the runtime cannot tell apart. */
function twins(facts: Facts): readonly Finding[] {
  const { launched, adapters, bridge, conf, runtime } = facts;
  const live = launched.filter(({ executable, index }) => executable && index !== undefined);
  const found: Finding[] = [];
  const goAdapter =
    live.find(({ adapter }) => adapter)?.path ?? nameOfProcess(adapters.find(({ name }) => name === "v010-adapter"));
  if (goAdapter !== undefined) {
    found.push({
      id: "go-adapter-too",
      severity: "warning",
      what: `containerd's v010-adapter runs v0.1 plugins here too (${goAdapter})`,
      why: `every plugin of ${conf.path} runs twice for each event`,
      fix: goAdapter.startsWith("/")
        ? `${moveOut(goAdapter)} # then ${restartOf(runtime)}`
        : `stop ${goAdapter}, and what starts it`,
      where: goAdapter,
    });
  }
  const bridges = [
    ...live.filter((file) => file.bridge).map(({ path }) => path),
    ...adapters.filter(({ name }) => name === "nri-v01-bridge").map(({ pid }) => `process ${pid}`),
  ];
  // The process of a launched bridge is that bridge.
  const launchedBridges = bridges.filter((name) => name.startsWith("/")).length;
  const running = bridges.length - launchedBridges;
  if (launchedBridges > 1 || running > Math.max(launchedBridges, 1)) {
    found.push({
      id: "bridge-twice",
      severity: "warning",
      what: `there are several bridges: ${bridges.join(", ")}`,
      why: "every plugin runs once for each of them; those that share a state directory wait for each other",
      fix:
        launchedBridges === 0
          ? "keep one, and stop what starts the others"
          : `keep one: stop what starts the processes (systemctl disable --now nri-v01-bridge), or move the launched executable out of its directory, then ${restartOf(runtime)}`,
      where: bridges[0] ?? "",
    });
  }
  const { pluginName } = bridge.config;
  const stranger = live.find((file) => !file.bridge && !file.adapter && file.name === pluginName);
  if (stranger !== undefined) {
    found.push({
      id: "plugin-name-taken",
      severity: "warning",
      what: `${stranger.path} registers under the bridge's name, ${pluginName}`,
      why: "logs and metrics of the runtime mix the two up",
      fix: setBridge(facts, ["pluginName"], defaultConfig.pluginName, "restart"),
      where: stranger.path,
    });
  }
  const { pluginIdx } = bridge.config;
  const same = live.filter((file) => !file.bridge && !file.adapter && file.index === pluginIdx && file !== stranger);
  if (same.length > 0) {
    found.push({
      id: "plugin-index-shared",
      severity: "info",
      what: `${same.map(({ path }) => path).join(", ")} has the bridge's index, ${pluginIdx}`,
      why: "which of the two comes first is not fixed",
      fix: `nothing, unless the order matters; then ${setBridge(facts, ["pluginIdx"], JSON.stringify(freeIndex(live)), "restart")}`,
      where: same[0]?.path ?? "",
    });
  }
  return found;
}

/** The first index from the bridge's default on that no launched plugin has. */
function freeIndex(live: readonly LaunchedFacts[]): string {
  const first = Number(defaultConfig.pluginIdx);
  const indexes = Array.from({ length: 100 - first }, (_, at) => `${first + at}`);
  return indexes.find((index) => live.every((file) => file.index !== index)) ?? defaultConfig.pluginIdx;
}

function nameOfProcess(process: { readonly pid: number } | undefined): string | undefined {
  return process === undefined ? undefined : `process ${process.pid}`;
}
