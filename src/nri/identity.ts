import { BridgeError } from "../base/errors.js";

/** What a plugin is registered as; plugins get an event in ascending order of their index, as text. */
export interface PluginIdentity {
  readonly name: string;
  /** Two digits. */
  readonly index: string;
}

/** The environment of a plugin that the runtime launched, as NRI defines it. */
export interface PluginEnvironment {
  readonly NRI_PLUGIN_NAME?: string | undefined;
  readonly NRI_PLUGIN_IDX?: string | undefined;
  readonly NRI_PLUGIN_SOCKET?: string | undefined;
}

export interface IdentitySources {
  /** From the command line or the configuration. */
  readonly name?: string | undefined;
  readonly index?: string | undefined;
  readonly environment: PluginEnvironment;
  /** The name of our own executable, without its folder: `NN-name` when the runtime launched it. */
  readonly fileName: string;
}

const fileNamePattern = /^([0-9]{2})-(.+)$/s;

/**
 * The plugin's identity: what was asked for, else the environment, else the own file name `NN-name`; name and index each
 * on its own.
 * @throws BridgeError USAGE, naming the source of a wrong or missing value
 */
export function resolveIdentity({ name, index, environment, fileName }: IdentitySources): PluginIdentity {
  const [, ownIndex, ownName] = fileNamePattern.exec(fileName) ?? [];
  const ownFile = `the file name ${JSON.stringify(fileName)}`;
  return {
    name: check("name", [
      [name, "the option for the plugin's name"],
      [environment.NRI_PLUGIN_NAME, "NRI_PLUGIN_NAME"],
      [ownName, ownFile],
    ]),
    index: check("index", [
      [index, "the option for the plugin's index"],
      [environment.NRI_PLUGIN_IDX, "NRI_PLUGIN_IDX"],
      [ownIndex, ownFile],
    ]),
  };
}

/** compat: NRI >= 0.12 takes these names only; older runtimes take any that is not empty. */
export function isPluginName(text: string): boolean {
  return /^[A-Za-z0-9_.+-]+$/.test(text);
}

export function isPluginIndex(text: string): boolean {
  return /^[0-9]{2}$/.test(text);
}

/**
 * The descriptor of the socket to the runtime that launched us; undefined when none did.
 * @throws BridgeError USAGE when the value is no descriptor
 */
export function launchedSocket({ NRI_PLUGIN_SOCKET: text }: PluginEnvironment): number | undefined {
  if (text === undefined || text === "") return undefined;
  const fd = Number(text);
  if (/^[0-9]{1,9}$/.test(text) && fd > 2) return fd;
  throw new BridgeError(
    "USAGE",
    `NRI_PLUGIN_SOCKET is ${JSON.stringify(text)}: it must be the number of an open socket`,
  );
}

const rules = {
  name: { fits: isPluginName, rule: "letters, digits, and _ . + - only", example: "v01-bridge" },
  index: { fits: isPluginIndex, rule: "two digits", example: "10" },
} as const satisfies Record<string, { fits: (text: string) => boolean; rule: string; example: string }>;

type Candidate = readonly [value: string | undefined, source: string];

/** The first value that is there, if it fits; a wrong one is never passed over for a later source. */
function check(what: keyof typeof rules, candidates: readonly Candidate[]): string {
  const { fits, rule, example } = rules[what];
  const [value, source] = candidates.find(([text]) => text !== undefined && text !== "") ?? [];
  if (value === undefined) {
    const text = `the plugin has no ${what}: give one (${rule}, such as ${example}), or name the executable NN-name`;
    throw new BridgeError("USAGE", text);
  }
  if (fits(value)) return value;
  const text = `the plugin's ${what} ${JSON.stringify(value)} from ${source} is not valid: ${rule}`;
  throw new BridgeError("USAGE", text, { what, value });
}
