import { BridgeError, errorText } from "../base/errors.js";
import { createPluginSettings, type PluginSettings } from "../config/merge.js";
import type { StateName } from "../config/schema.js";
import { bothPhases, type Phase } from "../ledger/ledger.js";
import type { ConfigList } from "../v01/types.js";
import type { EventInfo } from "./call-time.js";
import type { BridgeParts } from "./lifecycle.js";

type ReadList = ConfigList & { readonly fault?: BridgeError };
export const noPlugins: ReadList = { version: "", plugins: [] };

/** Selects the plugins of conf.json that take an event, by their settings. */
export class PluginLists {
  private readonly settingsOf: (type: string) => PluginSettings;

  constructor(private readonly parts: Pick<BridgeParts, "config" | "confFile" | "log">) {
    this.settingsOf = createPluginSettings(parts.config);
  }

  /**
   * Reads conf.json. When conf.json cannot be read, the list is empty with a `fault`, and the log names the `consequence`. For an
   * event that was answered before it was read, the list is empty: `asksNothing` found no plugin.
   */
  read(consequence: string, { answered }: Pick<EventInfo, "answered">): ReadList {
    const { confFile, log } = this.parts;
    if (answered) return noPlugins;
    try {
      return confFile.read();
    } catch (error) {
      const text = `unable to create nri client: ${errorText(error)}`;
      const where = error instanceof BridgeError ? error.fields : {};
      log.error({ file: confFile.path, ...where, error: text, consequence }, "the bridge cannot use conf.json");
      const fault = new BridgeError("CONF_LIST", text, { file: confFile.path }, { cause: error });
      return { ...noPlugins, fault };
    }
  }

  /** The list with only those plugins that take this state and whose create runs in one of these phases. */
  takers(list: ConfigList, state: StateName, phases: readonly Phase[] = bothPhases): ConfigList {
    const plugins = list.plugins.filter(({ type }) => {
      const settings = this.settingsOf(type);
      return settings.states.includes(state) && phases.includes(settings.phase);
    });
    return { ...list, plugins };
  }

  /** For each state that plugins have for this event in their `events` setting, the list of those plugins. */
  ownTakers(list: ConfigList, event: string): [state: string, list: ConfigList][] {
    const stateOf = (type: string) => this.settingsOf(type).events[event];
    const states = new Set(list.plugins.flatMap(({ type }) => stateOf(type) ?? []));
    const takersOf = (state: string) => list.plugins.filter(({ type }) => stateOf(type) === state);
    return [...states].map((state) => [state, { ...list, plugins: takersOf(state) }]);
  }
}
