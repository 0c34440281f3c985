import { BridgeError } from "../base/errors.js";

/**
 * The name and index under which an NRI plugin registers. The runtime sends an event to its plugins in ascending order of their
 * indexes, compared as text.
 */
export interface PluginIdentity {
  readonly name: string;
  /** Two digits, such as "10". */
  readonly index: string;
}

/** The environment variables that NRI defines for a plugin that the runtime launches. */
type PluginEnvironment = Readonly<
  Partial<Record<"NRI_PLUGIN_NAME" | "NRI_PLUGIN_IDX" | "NRI_PLUGIN_SOCKET", string | undefined>>
>;

export interface IdentitySources {
  /** The plugin's name from the command line or the configuration; so is `index`. */
  readonly name?: string | undefined;
  readonly index?: string | undefined;
  readonly environment: PluginEnvironment;
  /** The file name of the bridge's executable, without its directory: `NN-name` when the runtime launched the bridge. */
  readonly fileName: string;
}

/**
 * The bridge's identity as an NRI plugin. Name and index each come from the first source that has a value: the options,
 * the environment, the file name `NN-name`. A wrong value is an error, and does not make the next source count.
 * @throws BridgeError USAGE when the name or the index is wrong or missing; the message names the source of a wrong
 *   value
 */
export function resolveIdentity({ name, index, environment, fileName }: IdentitySources): PluginIdentity {
  const [, ownIndex, ownName] = /^([0-9]{2})-(.+)$/s.exec(fileName) ?? [];
  const part = (what: keyof typeof rules, option?: string, variable?: string, own?: string): string => {
    const { fits, rule, example, variable: variableName } = rules[what];
    const value = option || variable || own;
    if (!value) {
      const text = `the bridge has no NRI plugin ${what}: give one (${rule}, such as ${example}), or name the executable NN-name`;
      throw new BridgeError("USAGE", text);
    }
    if (fits(value)) return value;
    const elsewhere = variable ? variableName : `the file name ${JSON.stringify(fileName)}`;
    const source = option ? `the option for this ${what}` : elsewhere;
    const text = `the bridge's NRI plugin ${what} ${JSON.stringify(value)} from ${source} is not valid: ${rule}`;
    throw new BridgeError("USAGE", text, { what, value });
  };
  return {
    name: part("name", name, environment.NRI_PLUGIN_NAME, ownName),
    index: part("index", index, environment.NRI_PLUGIN_IDX, ownIndex),
  };
}

const rules = {
  name: {
    ...{ fits: isPluginName, variable: "NRI_PLUGIN_NAME" },
    ...{ rule: "letters, digits, and _ . + - only", example: "v01-bridge" },
  },
  index: { fits: isPluginIndex, variable: "NRI_PLUGIN_IDX", rule: "two digits", example: "10" },
} as const;

/** compat: NRI >= 0.12 accepts only such names; older runtimes accept any name that is not empty. */
export function isPluginName(text: string): boolean {
  return /^[A-Za-z0-9_.+-]+$/.test(text);
}

export function isPluginIndex(text: string): boolean {
  return /^[0-9]{2}$/.test(text);
}

/**
 * The descriptor of the socket to the runtime that launched the bridge; undefined when no runtime launched the bridge.
 * @throws BridgeError USAGE when NRI_PLUGIN_SOCKET is set, but is no number of a descriptor above 2
 */
export function launchedSocket({ NRI_PLUGIN_SOCKET: text }: PluginEnvironment): number | undefined {
  if (text === undefined || text === "") return undefined;
  const fd = Number(text);
  if (/^[0-9]{1,9}$/.test(text) && fd > 2) return fd;
  const fault = `NRI_PLUGIN_SOCKET is ${JSON.stringify(text)}`;
  throw new BridgeError("USAGE", `${fault}: it must be the number of an open socket`);
}
