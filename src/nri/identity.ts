import { BridgeError } from "../base/errors.js";

/** The name and index of a registered plugin; plugins get an event in ascending order of their index, as text. */
export interface PluginIdentity {
  readonly name: string;
  /** Two digits. */
  readonly index: string;
}

/** The environment of a plugin that the runtime launched, as NRI defines it. */
type PluginEnvironment = Readonly<
  Partial<Record<"NRI_PLUGIN_NAME" | "NRI_PLUGIN_IDX" | "NRI_PLUGIN_SOCKET", string | undefined>>
>;

export interface IdentitySources {
  /** From the command line or the configuration. */
  readonly name?: string | undefined;
  readonly index?: string | undefined;
  readonly environment: PluginEnvironment;
  /** The name of our own executable, without its folder: `NN-name` when the runtime launched it. */
  readonly fileName: string;
}

/**
 * The plugin's identity: what was asked for, else the environment, else the own file name `NN-name`; name and index each
 * on its own. A wrong value is never passed over for a later source.
 * @throws BridgeError USAGE, naming the source of a wrong or missing value
 */
export function resolveIdentity({ name, index, environment, fileName }: IdentitySources): PluginIdentity {
  const [, ownIndex, ownName] = /^([0-9]{2})-(.+)$/s.exec(fileName) ?? [];
  const part = (what: keyof typeof rules, option?: string, variable?: string, own?: string): string => {
    const { fits, rule, example, variable: variableName } = rules[what];
    const value = option || variable || own;
    if (!value) {
      const text = `the plugin has no ${what}: give one (${rule}, such as ${example}), or name the executable NN-name`;
      throw new BridgeError("USAGE", text);
    }
    if (fits(value)) return value;
    const elsewhere = variable ? variableName : `the file name ${JSON.stringify(fileName)}`;
    const source = option ? `the option for the plugin's ${what}` : elsewhere;
    const text = `the plugin's ${what} ${JSON.stringify(value)} from ${source} is not valid: ${rule}`;
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
  const fault = `NRI_PLUGIN_SOCKET is ${JSON.stringify(text)}`;
  throw new BridgeError("USAGE", `${fault}: it must be the number of an open socket`);
}
