import { remember } from "../base/once.js";
import { type Config, defaultConfig, type PartialConfig, type StateName } from "./schema.js";

/** Merges layers of settings into one configuration; an earlier layer wins over a later one, and the defaults come last. */
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

/**
 * The settings in force for one plugin type: those keys that exist both globally and per plugin, and the keys that exist per plugin
 * only.
 */
export type PluginSettings = Pick<Config, keyof Config & keyof Config["plugins"][string]> & {
  readonly async: boolean;
  readonly startAhead: number;
  readonly breaker: { readonly failures: number; readonly pauseMs: number } | null;
  /** Maps an event to the state that the plugin gets for it, besides the states in `states`. */
  readonly events: Readonly<Record<string, string | undefined>>;
};

/** The settings in force for a plugin type; the plugin's own settings win over the global ones. */
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

/** Returns a function like pluginSettings that computes the settings of each type only once. */
export function createPluginSettings(config: Config): (type: string) => PluginSettings {
  return remember((type) => pluginSettings(config, type));
}

/** The scopes in which a setting can stand: the global one, and one for each plugin. */
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

/** Whether the bridge answers each update with the resources that some plugin set at the create (`results.keep`). */
export function keepsResources(config: Config): boolean {
  return [config, ...Object.values(config.plugins)].some(({ results }) => results?.keep);
}

/**
 * Which cgroups a plugin sees. With `auto`, a plugin in phase create sees a captured view, since the container has no cgroup yet.
 */
export function cgroupSeen({ cgroup, phase }: Pick<Config, "cgroup"> & { readonly phase: string }): "host" | "capture" {
  if (cgroup !== "auto") return cgroup;
  return phase === "create" ? "capture" : "host";
}

/** Whether `cgroup: capture` is set for some plugin or globally, so that this plugin cannot run without a captured view. */
export function wantsCapture(config: Config): boolean {
  return scopesOf(config).some(({ cgroup }) => cgroup === "capture");
}

/** Whether some plugin may see a captured cgroup view: with `cgroup: capture`, or with `auto` in phase create. */
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
