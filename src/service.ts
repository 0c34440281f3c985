import { createBridge } from "./bridge.js";
import { createChainRunner, type RunReport } from "./chain-runner.js";
import { mergeConfig } from "./config/merge.js";
import { parseConfig } from "./config/parse.js";
import type { Config, PartialConfig } from "./config/schema.js";
import { BridgeError, errorText } from "./errors.js";
import type { Host } from "./host/host.js";
import { Breakers } from "./legacy/breaker.js";
import { createConfFile } from "./legacy/conf-file.js";
import { Observers } from "./legacy/observers.js";
import type { Spawner } from "./legacy/spawner.js";
import type { BridgeParts } from "./lifecycle.js";
import type { Log } from "./logger.js";
import type { PluginHandlers, RuntimeInfo } from "./nri/handlers.js";
import type { ConfigureRequest } from "./nri/types.js";
import { Serial } from "./serial.js";
import { createSpecSource } from "./spec-source.js";
import { Memory } from "./state/memory.js";

export interface ServiceOptions {
  /** Flags first, then environment. */
  readonly flags: PartialConfig;
  /** The file of `--config`; without it, a runtime that launched us sends the text in Configure. */
  readonly file: PartialConfig | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly host: Host;
  readonly spawner: Spawner;
  readonly log: Log;
  readonly onRun?: (report: RunReport) => void;
}

/** What a runtime said when it configured us: what a bridge is built from beside our own settings. */
interface Configured {
  readonly request: ConfigureRequest;
  readonly runtime: RuntimeInfo;
}

/**
 * The bridge as a node runs it: built from its configuration when the runtime configures us, and built anew with what it
 * remembers when the connection or the configuration is.
 */
export class Service {
  private readonly memory = new Memory();
  private readonly serial = new Serial();
  private readonly breakers = new Breakers();
  private readonly observers = new Observers();
  private bridge: PluginHandlers = { configure: () => [] };
  private file: PartialConfig | undefined;
  private configured: Configured | undefined;

  constructor(private readonly options: ServiceOptions) {
    this.file = options.file;
  }

  /** The handlers for the stub. They hand on to the bridge of the moment. */
  get handlers(): PluginHandlers {
    return {
      ...handOn(() => this.bridge),
      configure: (request, runtime) => {
        this.configured = { request, runtime };
        this.bridge = this.buildBridge(this.configured);
        return this.bridge.configure(request, runtime);
      },
    };
  }

  /** Takes another configuration file's content, whole. Gives whether the runtime has to be asked for other events. */
  async reload(file: PartialConfig): Promise<{ readonly eventsChanged: boolean }> {
    this.file = file;
    if (this.configured === undefined) return { eventsChanged: false };
    const { request, runtime } = this.configured;
    const before = new Set(await this.bridge.configure(request, runtime));
    this.bridge = this.buildBridge(this.configured);
    const after = new Set(await this.bridge.configure(request, runtime));
    return { eventsChanged: before.size !== after.size || [...after].some((event) => !before.has(event)) };
  }

  /** Resolves when no plugin runs any more. */
  async idle(): Promise<void> {
    await this.serial.idle();
    await this.observers.idle();
  }

  private buildBridge({ request, runtime }: Configured): PluginHandlers {
    const { flags, log, host, environment, spawner, onRun } = this.options;
    let config: Config;
    try {
      config = mergeConfig(flags, this.file ?? parseConfig(request.config, "the text that Configure brought"));
    } catch (error) {
      // An exit here would take containerd 1.7 down with it when it launched us (PROTOCOL: launched plugins).
      log.error({ error: errorText(error) }, "the bridge's configuration is wrong: no plugin runs, creates fail");
      return createRefusingBridge(errorText(error));
    }
    const crio = runtime.name === "cri-o";
    const parts: BridgeParts = {
      config,
      confFile: createConfFile(config.confFile),
      specs: createSpecSource(
        host,
        { ...config.annotations, crio, alias: crio && config.annotations.alias === "auto" },
        log,
      ),
      runChain: createChainRunner({
        config,
        requestTimeoutMs: runtime.requestTimeoutMs,
        environment,
        spawner,
        breakers: this.breakers,
        observers: this.observers,
        log,
        onRun,
      }),
      memory: this.memory,
      serial: this.serial,
      log,
    };
    return createBridge(parts);
  }
}

/** What serves a runtime whose configuration for us cannot be used: failing by policy, never by going away. */
function createRefusingBridge(reason: string): PluginHandlers {
  const refuse = async () => {
    throw new BridgeError("CONFIG", `nri-v01-bridge: its configuration is wrong: ${reason}`);
  };
  return {
    configure: () => ["RunPodSandbox", "StartContainer"],
    runPodSandbox: refuse,
    startContainer: refuse,
  };
}

/** Handlers that hand each event on to the bridge of that moment. */
function handOn(bridge: () => PluginHandlers): Omit<Required<PluginHandlers>, "configure"> {
  return {
    synchronize: async (pods, containers, call) => (await bridge().synchronize?.(pods, containers, call)) ?? [],
    synchronized: (runtime) => bridge().synchronized?.(runtime),
    runPodSandbox: async (event, call) => bridge().runPodSandbox?.(event, call),
    updatePodSandbox: async (event, call) => bridge().updatePodSandbox?.(event, call),
    postUpdatePodSandbox: async (event, call) => bridge().postUpdatePodSandbox?.(event, call),
    stopPodSandbox: async (event, call) => bridge().stopPodSandbox?.(event, call),
    removePodSandbox: async (event, call) => bridge().removePodSandbox?.(event, call),
    createContainer: async (event, call) => (await bridge().createContainer?.(event, call)) ?? {},
    postCreateContainer: async (event, call) => bridge().postCreateContainer?.(event, call),
    startContainer: async (event, call) => bridge().startContainer?.(event, call),
    postStartContainer: async (event, call) => bridge().postStartContainer?.(event, call),
    updateContainer: async (event, call) => (await bridge().updateContainer?.(event, call)) ?? [],
    postUpdateContainer: async (event, call) => bridge().postUpdateContainer?.(event, call),
    stopContainer: async (event, call) => (await bridge().stopContainer?.(event, call)) ?? [],
    removeContainer: async (event, call) => bridge().removeContainer?.(event, call),
    shutdown: () => bridge().shutdown?.(),
  };
}
