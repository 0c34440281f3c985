/**
 * The PATH of plugins when the bridge has none: a runtime that launches the bridge gives it no PATH, and shell plugins need one.
 */
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The prefix of the variables that NRI v2 gives the bridge itself; no v0.1 plugin ever saw them. */
const ownPrefix = "NRI_PLUGIN_";

export interface EnvironmentOptions {
  /** The bridge's own environment. */
  readonly base: Readonly<Record<string, string | undefined>>;
  readonly pluginDirs: readonly string[];
  /** Which of the bridge's variables a plugin gets: all of them, or those with these names. */
  readonly pass: "all" | readonly string[];
  /** Additional variables of a plugin; they replace the bridge's of the same name. */
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

/** The PATH of legacy plugins: the bridge's own PATH, then those plugin directories that it does not contain. */
export function searchPath(path: string | undefined, pluginDirs: readonly string[]): string {
  // An empty PATH would mean the working directory, so the default replaces it too.
  const present = (path || defaultPath).split(":");
  return [...present, ...pluginDirs.filter((directory) => !present.includes(directory))].join(":");
}
