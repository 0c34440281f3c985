import { remember } from "../base/once.js";
import { type Config, defaultConfig, type PartialConfig, type StateName } from "./schema.js";

/** Merges layers of settings; an earlier layer wins over a later one, the defaults come last. */
export function mergeConfig(...layers: readonly PartialConfig[]): Config {
  let merged = defaultConfig;
  for (const layer of layers.toReversed()) {
    const { onFailure, limits, environment, annotations, results, log, metrics, plugins, ...scalars } = layer;
    merged = {
      ...layered<Config>(merged, scalars),
      onFailure: layered(merged.onFailure, onFailure),
      limits: layered(merged.limits, limits),
      environment: layered(merged.environment, environment),
      annotations: layered(merged.annotations, annotations),
      results: layered(merged.results, results),
      log: layered(merged.log, log),
      metrics: layered(merged.metrics, metrics),
      plugins: { ...merged.plugins, ...plugins },
    };
  }
  return merged;
}

/** The settings that hold for one plugin type: those that stand over global ones, and its own. */
export type PluginSettings = Pick<Config, keyof Config & keyof Config["plugins"][string]> & {
  readonly async: boolean;
  readonly startAhead: number;
  readonly breaker: { readonly failures: number; readonly pauseMs: number } | null;
  /** Event to state, beside the plugin's own states. */
  readonly events: Readonly<Record<string, string | undefined>>;
};

/** The settings of a plugin type: its own over the global ones. */
export function pluginSettings(config: Config, type: string): PluginSettings {
  const { phase, cgroup, lostWrites, states, timeoutMs, exitStatus, killChildren } = config;
  const own = Object.hasOwn(config.plugins, type) ? config.plugins[type] : undefined;
  const { onFailure, limits, environment, results, ...scalars } = own ?? {};
  const base = {
    ...{ phase, cgroup, lostWrites, states, timeoutMs, exitStatus, killChildren },
    ...{ async: false, startAhead: 0, breaker: null, events: {} },
  };
  return {
    ...layered<Omit<PluginSettings, "onFailure" | "limits" | "environment" | "results">>(base, scalars),
    onFailure: layered(config.onFailure, onFailure),
    limits: layered(config.limits, limits),
    environment: layered(config.environment, environment),
    results: layered(config.results, results),
  };
}

/** pluginSettings, made once for each type. */
export function createPluginSettings(config: Config): (type: string) => PluginSettings {
  return remember((type) => pluginSettings(config, type));
}

/** The global settings, and those of each plugin. */
function scopesOf(config: Config) {
  return [config, ...Object.values(config.plugins)];
}

export function wantedStates(config: Config): readonly StateName[] {
  return scopesOf(config).flatMap(({ states }) => states ?? []);
}

/** Whether some plugin's create runs before the container exists. */
export function hasCreatePhase(config: Config): boolean {
  return scopesOf(config).some(({ phase }) => phase === "create");
}

export function extraEvents(config: Config): readonly string[] {
  return Object.values(config.plugins).flatMap(({ events }) => Object.keys(events ?? {}));
}

/** Whether updates get what some plugin set at a create. */
export function keepsResources(config: Config): boolean {
  return [config, ...Object.values(config.plugins)].some(({ results }) => results?.keep);
}

/** Which cgroups a plugin sees. `auto`: none of the container's is there to be seen before the container exists. */
export function cgroupSeen({ cgroup, phase }: Pick<Config, "cgroup"> & { readonly phase: string }): "host" | "capture" {
  if (cgroup !== "auto") return cgroup;
  return phase === "create" ? "capture" : "host";
}

/** Whether some plugin is to see a captured cgroup view, come what may. */
export function wantsCapture(config: Config): boolean {
  return scopesOf(config).some(({ cgroup }) => cgroup === "capture");
}

/** Whether some plugin may come to see a captured cgroup view: as `cgroup` says, and `phase` where that is left to it. */
export function mayCapture(config: Config): boolean {
  const types = Object.keys(config.plugins).map((type) => pluginSettings(config, type));
  return [config, ...types].some((settings) => cgroupSeen(settings) === "capture");
}

function layered<T extends object>(base: T, layer: { readonly [K in keyof T]?: T[K] | undefined } | undefined): T {
  const merged = { ...base };
  for (const key in layer) {
    const value = layer[key];
    if (value !== undefined) merged[key] = value;
  }
  return merged;
}
