/** PATH: a runtime that launches the bridge does not give it, and every shell plugin needs it. */
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** NRI v2's variables for the bridge itself, which no v0.1 plugin ever saw. */
const ownPrefix = "NRI_PLUGIN_";

export interface EnvironmentOptions {
  /** The bridge's own environment. */
  readonly base: Readonly<Record<string, string | undefined>>;
  readonly pluginDirs: readonly string[];
  /** Which of the bridge's variables a plugin gets: all, or these names. */
  readonly pass: "all" | readonly string[];
  /** Variables that a plugin gets besides, over those that are passed. */
  readonly set: Readonly<Record<string, string>>;
}

/**
 * The environment of a legacy plugin. It always has a PATH.
 *
 * compat: containerd 1.6 appended its plugin directory to the PATH that its plugins inherited.
 */
export function createEnvironment(options: EnvironmentOptions): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.base)) {
    if (value === undefined || name.startsWith(ownPrefix)) continue;
    if (options.pass === "all" || options.pass.includes(name)) environment[name] = value;
  }
  environment.PATH = searchPath(options.base.PATH, options.pluginDirs);
  return Object.assign(environment, options.set);
}

/** The PATH of legacy plugins, made from the bridge's own. */
export function searchPath(path: string | undefined, pluginDirs: readonly string[]): string {
  // An empty PATH would mean the working directory.
  const present = (path || defaultPath).split(":");
  return [...present, ...pluginDirs.filter((directory) => !present.includes(directory))].join(":");
}
