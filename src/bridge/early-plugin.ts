import { cgroupSeen, type PluginSettings } from "../config/merge.js";
import type { EarlyStart } from "../plugin/early-starts.js";
import { type InvokeContext, type InvokePolicy, startEarly } from "../plugin/invoke.js";
import type { Breakers } from "./breaker.js";
import type { ChainCall } from "./chain.js";

/** What a plugin is allowed, as its settings say. */
export function policyOf({ limits, exitStatus, killChildren, startAhead }: PluginSettings): InvokePolicy {
  const { stdoutBytes, stderrLinesPerRun: stderrLines } = limits;
  return { exitStatus, killChildren, startAhead, limits: { stdoutBytes, stderrLines } };
}

interface Parts extends InvokeContext {
  readonly settingsOf: (type: string) => PluginSettings;
  readonly breakers: Breakers;
}

/** The next plugin of a chain that is started before it has its request, where that is sure to come. */
export class EarlyPlugin {
  private started: { readonly index: number; readonly process: EarlyStart | undefined } | undefined;

  constructor(
    private readonly parts: Parts,
    private readonly chain: Pick<ChainCall, "list" | "phase">,
  ) {}

  /** Starts the first plugin from an index on that the chain waits for. */
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
    // Only the first request is still to be made; while a plugin runs there is nothing else to do.
    this.started = { index, process: startEarly(what, this.parts, from === 0) };
  }

  take(index: number): EarlyStart | undefined {
    return this.started?.index === index ? this.started.process : undefined;
  }

  abandon(): void {
    this.started?.process?.abandon();
  }
}
