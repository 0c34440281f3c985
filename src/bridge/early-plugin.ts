import { cgroupSeen, type PluginSettings } from "../config/merge.js";
import type { EarlyStart } from "../plugin/early-starts.js";
import { type InvokeContext, type InvokePolicy, startEarly } from "../plugin/invoke.js";
import type { Breakers } from "./breaker.js";
import type { ChainCall } from "./chain.js";

/** The part of a plugin's settings that a run of the plugin needs. */
export function policyOf({ limits, exitStatus, killChildren, startAhead }: PluginSettings): InvokePolicy {
  const { stdoutBytes, stderrLinesPerRun: stderrLines } = limits;
  return { exitStatus, killChildren, startAhead, limits: { stdoutBytes, stderrLines } };
}

interface Parts extends InvokeContext {
  readonly settingsOf: (type: string) => PluginSettings;
  readonly breakers: Breakers;
}

/** The next plugin of a chain, whose process the bridge starts before its request exists, where the plugin is certain to run. */
export class EarlyPlugin {
  private started: { readonly index: number; readonly process: EarlyStart | undefined } | undefined;

  constructor(
    private readonly parts: Parts,
    private readonly chain: Pick<ChainCall, "list" | "phase">,
  ) {}

  /** Starts the first plugin at or after index `from` that is not an observer. */
  begin(from: number): void {
    this.abandon();
    const { settingsOf, breakers } = this.parts;
    const { list, phase } = this.chain;
    const index = list.plugins.findIndex(({ type }, at) => at >= from && !settingsOf(type).async);
    const plugin = list.plugins[index];
    if (plugin === undefined) return;
    const settings = settingsOf(plugin.type);
    const isSeen = cgroupSeen({ cgroup: settings.cgroup, phase }) === "capture";
    if (isSeen || breakers.stateOf(plugin.type) !== "closed") return;
    const what = { plugin: plugin.type, conf: plugin.conf, policy: policyOf(settings) };
    // The first plugin starts off the main thread, which makes that plugin's request meanwhile. While a plugin runs, the main
    // thread has nothing else to do, so the later ones start on it.
    this.started = { index, process: startEarly(what, this.parts, from === 0) };
  }

  take(index: number): EarlyStart | undefined {
    return this.started?.index === index ? this.started.process : undefined;
  }

  abandon(): void {
    this.started?.process?.abandon();
  }
}
