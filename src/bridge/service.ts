import { attempt, BridgeError, errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import { Serial } from "../base/serial.js";
import { type Cgroups, requireCapture } from "../cgroup/cgroups.js";
import { mayCapture, mergeConfig, wantsCapture } from "../config/merge.js";
import { parseConfig } from "../config/parse.js";
import type { Config, PartialConfig } from "../config/schema.js";
import type { Host } from "../host/host.js";
import type { JournalFile } from "../ledger/journal-file.js";
import { Ledger } from "../ledger/ledger.js";
import { Processes } from "../ledger/processes.js";
import type { EventName } from "../nri/events.js";
import { noRequest } from "../nri/events.js";
import type { PluginHandlers, RuntimeInfo } from "../nri/handlers.js";
import type { ConfigureRequest } from "../nri/types.js";
import { mayFail } from "../nri/versions.js";
import { type ConfFile, createConfFile } from "../plugin/conf-file.js";
import type { Starter } from "../plugin/start.js";
import { podTarget } from "../v01/to-v01.js";
import type { Spec } from "../v01/types.js";
import { BackgroundWork } from "./background.js";
import { Breakers } from "./breaker.js";
import { type Bridge, createBridge, missingEvents, usualEvents, wantedEvents } from "./bridge.js";
import { createRunChain, type RunReport } from "./chain.js";
import { Observers } from "./observers.js";
import { aboutOf } from "./records.js";
import { createSandboxRule, type NativeFacts, readNativeFacts } from "./sandboxes.js";
import { createSpecSource } from "./spec-source.js";

/** What the service needs from the outside, so that a replay and a test can give their own. */
export interface ServiceOptions {
  /** Flags first, then environment. */
  readonly flags: PartialConfig;
  /** The file of `--config`; without it, a runtime that launched us sends the text in Configure. */
  readonly file: PartialConfig | undefined;
  /** Why neither can be used; creates are refused with it, until a reload brings a file that can. */
  readonly fault?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly host: Host;
  readonly spawner: Starter;
  readonly cgroups: Cgroups;
  /** Called when a chain has ended, with what gives the types of all plugins of conf.json: processes may be started ahead now. */
  readonly afterChain?: (types: () => readonly string[]) => void;
  /** Opens the journal of a runtime for the ledger; undefined where nothing is to outlive us. */
  readonly openJournal: (
    config: Config,
    runtime: RuntimeInfo,
    ledger: Ledger,
    onLateRecovery: () => void,
  ) => Promise<OpenJournal | undefined>;
  /** The runtime's process; undefined when it cannot be told in time. @param withinMs what Configure can wait, when not given */
  readonly findPeer: (runtime: RuntimeInfo, withinMs?: number) => Promise<number | undefined>;
  readonly log: Log;
  readonly onRun?: (report: RunReport) => void;
  /** Told of the settings that hold from now on: with each Configure and each reload. */
  readonly onConfig?: (config: Config) => void;
}

type OpenJournal = Pick<JournalFile, "bytes" | "close">;

/** What a runtime said when it configured us: what a bridge is built from beside our own settings. */
interface Configured {
  readonly request: ConfigureRequest;
  readonly runtime: RuntimeInfo;
  peer: number | undefined;
  native: NativeFacts;
}

/**
 * compat: dockerd has no pods: it calls each container its own pod, and sends CreateContainer and Synchronize only (moby
 * daemon/internal/nri). Without a cgroupsPath, too: a plugin that is to see a cgroup fails.
 */
const podless = "docker";

/** A runtime that launched us and has not synchronised by then never does: containerd 1.7. */
const reconcileAfterMs = 3_000;

/**
 * The bridge as a node runs it: built from its configuration when the runtime configures us, and built anew with what it
 * remembers when the connection or the configuration is.
 */
export class Service {
  private readonly ledger = new Ledger();
  private readonly serial = new Serial();
  private readonly breakers = new Breakers();
  private readonly observers = new Observers();
  private readonly background = new BackgroundWork();
  /** A Configure and a reload each open a journal and build a bridge: one after the other. */
  private readonly building = new Serial();
  private readonly processes: Processes;
  private bridge: Bridge | undefined;
  /** The bridge of the latest Configure is being built; undefined when it is there. */
  private preparing: Promise<void> | undefined;
  private file: PartialConfig | undefined;
  /** What Configure brought, where there is no file. */
  private text: PartialConfig | undefined;
  private fault: string | undefined;
  /** What the latest bridge was built from that does not refuse. */
  private built: { readonly config: Config; readonly confFile: ConfFile } | undefined;
  private configured: Configured | undefined;
  /** Serves instead of the bridge while the configuration is wrong. */
  private refusing: PluginHandlers | undefined;
  private journal: { readonly key: string; readonly opened: OpenJournal | undefined } | undefined;
  private reconcileTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: ServiceOptions) {
    this.file = options.file;
    this.fault = options.fault;
    this.processes = new Processes({
      host: options.host,
      peer: () => this.configured?.peer,
      log: options.log,
      onGone: (id) => void this.bridge?.deleteGone(id),
    });
  }

  /** The handlers for the stub. They hand on to the bridge of the moment. */
  get handlers(): PluginHandlers {
    return {
      sparing: () => this.refusing === undefined && (this.bridge?.sparing?.() ?? false),
      configure: (request, runtime) => this.configure(request, runtime),
      synchronize: async (pods, containers, call) => {
        await this.preparing;
        clearTimeout(this.reconcileTimer);
        return (await (this.refusing ?? this.bridge)?.synchronize?.(pods, containers, call)) ?? [];
      },
      asksNothing: (event) =>
        this.preparing === undefined && this.refusing === undefined && (this.bridge?.asksNothing?.(event) ?? false),
      synchronized: (runtime) => (this.refusing ?? this.bridge)?.synchronized?.(runtime),
      handle: async (event, call) => {
        if (this.preparing !== undefined) await this.preparing;
        return (await (this.refusing ?? this.bridge)?.handle?.(event, call)) ?? noRequest;
      },
    };
  }

  /**
   * Takes another configuration file's content, whole. Gives whether the runtime has to be asked for other events.
   * @throws BridgeError CONFIG when it cannot be used: what held before still holds
   */
  reload(file: PartialConfig): Promise<{ readonly eventsChanged: boolean }> {
    return this.building.run("", () => this.reloadNow(file));
  }

  private async reloadNow(file: PartialConfig): Promise<{ readonly eventsChanged: boolean }> {
    const config = mergeConfig(this.options.flags, file);
    if (wantsCapture(config)) await requireCapture(this.options.cgroups);
    if (this.built !== undefined && JSON.stringify(this.built.config.state) !== JSON.stringify(config.state)) {
      // What is remembered is in one journal, and another instance may hold the other one.
      throw new BridgeError(
        "CONFIG",
        "state and state.directory cannot change while the bridge runs: restart the bridge",
      );
    }
    this.file = file;
    this.fault = undefined;
    if (this.configured === undefined) return { eventsChanged: false };
    const { request, runtime } = this.configured;
    const first = this.journal === undefined;
    const before = new Set(await (this.refusing ?? this.bridge)?.configure(request, runtime));
    const bridge = await this.build(this.configured, config);
    const after = wantedEvents(config, runtime);
    // What the runtime listed went to a bridge that refuses: the machine says who is gone.
    if (first) void bridge.reconcile();
    return { eventsChanged: before.size !== after.length || after.some((event) => !before.has(event)) };
  }

  /** The end is near: deletes that no call waits for are left to the next bridge, where there is a journal to tell it. */
  stopping(): void {
    this.background.stopping = this.built?.config.state !== "memory";
  }

  /** What still runs is ended now, and nothing is started any more: such deletes are the next bridge's to deliver again. */
  abandon(): void {
    this.background.abandoned = true;
    this.observers.close();
  }

  /** What the file in force says: the last good one. */
  get settings(): PartialConfig {
    return this.file ?? this.text ?? {};
  }

  /** What the service knows at this moment, for metrics and the status. */
  get facts() {
    const { built, configured } = this;
    const name = configured?.runtime.name;
    const { size, adopted } = this.ledger;
    return {
      remembered: size,
      withoutPlugins: adopted,
      /** Plugin types that conf.json lists; undefined when it cannot be read, none before the first Configure. */
      plugins: built === undefined ? [] : typesOf(built.confFile),
      /** What keeps plugins from running, each in a few words. */
      notices: [
        ...(this.refusing !== undefined ? ["the bridge's configuration is wrong: creates fail"] : []),
        ...(adopted > 0 ? [`pods and containers that started without plugins: ${adopted}`] : []),
        ...(name === podless ? [`${name} has no pods and sends CreateContainer only`] : []),
      ],
      breakerOf: (plugin: string) => this.breakers.stateOf(plugin),
    };
  }

  /** Resolves when the deletes that run have ended, each in its own time. */
  async deletesEnded(): Promise<void> {
    await Promise.allSettled(this.background.deleting.values());
  }

  /** Resolves when no plugin runs any more. */
  async idle(): Promise<void> {
    await this.background.idle();
    await this.serial.idle();
    await this.observers.idle();
  }

  /** Writes what is recorded, and lets go of everything. */
  async close(): Promise<void> {
    await this.building.idle();
    clearTimeout(this.reconcileTimer);
    this.processes.close();
    this.options.host.watcher.close();
    await this.options.cgroups.close();
    await this.journal?.opened?.close();
  }

  /**
   * Answers from the configuration alone. What is read, waited for or looked for comes when the answer is on its way, and what
   * the runtime asks next waits for it.
   *
   * compat: containerd 1.7 ends when a plugin that it launched does not answer in time.
   */
  private configure(request: ConfigureRequest, runtime: RuntimeInfo): readonly EventName[] {
    clearTimeout(this.reconcileTimer);
    const config = this.configFor(request);
    const preparing = this.building
      .run("", () => this.prepare(request, runtime))
      .finally(() => {
        if (this.preparing === preparing) this.preparing = undefined;
      });
    this.preparing = preparing;
    return config instanceof Error ? usualEvents : wantedEvents(config, runtime);
  }

  /** The configuration that holds from this Configure on, or why there is none. */
  private configFor(request: ConfigureRequest): Config | Error {
    if (this.fault !== undefined) return new BridgeError("CONFIG", this.fault);
    try {
      this.text = this.file ?? parseConfig(request.config, "the runtime's Configure request");
      return mergeConfig(this.options.flags, this.text);
    } catch (error) {
      return error instanceof Error ? error : new Error(errorText(error));
    }
  }

  /** Makes the bridge of a Configure. Never rejects. */
  private async prepare(request: ConfigureRequest, runtime: RuntimeInfo): Promise<void> {
    const { cgroups, findPeer, log } = this.options;
    // Anew: a reload may have come before its turn.
    const config = this.configFor(request);
    // It may be so for a moment only, and there is no other Configure: each view tells anew.
    const sayNoCapture = (error: unknown) =>
      log.error({ error: errorText(error) }, "cannot make captured cgroup views: the plugins that need one fail");
    await new Promise((nextTurn) => setImmediate(nextTurn));
    try {
      const peer = await findPeer(runtime);
      this.configured = { request, runtime, peer, native: await readNativeFacts(runtime.name, peer) };
      if (peer === undefined)
        void this.findLater(this.configured).catch((error) =>
          log.debug({ error: errorText(error) }, "cannot inspect the runtime's process"),
        );
      if (config instanceof Error) throw config;
      if (wantsCapture(config)) void requireCapture(cgroups).catch(sayNoCapture);
      await this.build(this.configured, config);
      const about = { runtime: runtime.name, runtimeVersion: runtime.version };
      for (const missing of missingEvents(config, runtime.nri)) {
        const text = "the runtime has no such event: the bridge does not run the plugin for this entry of `events`";
        log.warn({ ...missing, ...about }, text);
      }
      if (runtime.name === podless) {
        const text = "the runtime has no pods: plugins run only in phase create, and plugins that need a cgroup fail";
        log.warn(about, text);
      }
      if (mayCapture(config)) void cgroups.warm();
      if (runtime.socketPath !== undefined) return;
      clearTimeout(this.reconcileTimer);
      this.reconcileTimer = setTimeout(() => void this.bridge?.reconcile(), reconcileAfterMs).unref();
    } catch (error) {
      // An exit here would take containerd 1.7 down with it when it launched us (PROTOCOL: launched plugins).
      log.error(
        { error: errorText(error) },
        "the bridge's configuration is wrong: no plugin runs, and creates of pods and containers fail",
      );
      this.refusing = createRefusingBridge(errorText(error), this.ledger);
    }
  }

  private async build(configured: Configured, config: Config): Promise<Bridge> {
    const { runtime } = configured;
    // One journal for each runtime: it stays open over connections.
    const key = JSON.stringify([runtime.name, runtime.socketPath, config.state]);
    if (this.journal?.key !== key) {
      await this.journal?.opened?.close();
      // The runtime's list, if it gave one, was compared without what comes late.
      const onLateRecovery = () => void this.bridge?.reconcile();
      this.journal = { key, opened: await this.options.openJournal(config, runtime, this.ledger, onLateRecovery) };
    }
    this.bridge = this.createBridge(configured, config);
    this.refusing = undefined;
    return this.bridge;
  }

  /** On a machine without time to spare the search of Configure is too short, and sandboxes would be served twice until the next one. */
  private async findLater(configured: Configured): Promise<void> {
    const peer = await this.options.findPeer(configured.runtime, Infinity);
    if (peer === undefined) return;
    configured.native = await readNativeFacts(configured.runtime.name, peer);
    configured.peer = peer;
  }

  private createBridge(configured: Configured, config: Config): Bridge {
    const { runtime } = configured;
    const { log, host, environment, spawner, cgroups, onRun, afterChain } = this.options;
    const { background, breakers, ledger, observers, processes, serial } = this;
    const crio = runtime.name === "cri-o";
    const alias = crio && config.annotations.alias === "auto";
    const confFile = createConfFile(config.confFile, config.permissions);
    this.built = { config, confFile };
    this.options.onConfig?.(config);
    log.conceal(
      [config, ...Object.values(config.plugins)].map(({ environment: own }) => ({ conf: JSON.stringify(own?.set) })),
    );
    const runChain = createRunChain({
      ...{ config, runtime, cgroups, environment, spawner, breakers, observers, log, onRun },
      // A conf.json that cannot be read lists no plugins for the moment.
      afterChain: () => afterChain?.(() => typesOf(confFile) ?? []),
    });
    return createBridge({
      ...{ config, host, confFile, runChain, ledger, processes, background, serial, log },
      specOf: createSpecSource(host, { ...config.annotations, crio, alias }, log),
      servesSandbox: createSandboxRule(config, runtime, configured, log),
    });
  }
}

/** Undefined when it cannot be read. */
function typesOf(confFile: ConfFile): string[] | undefined {
  return attempt(() => confFile.read().plugins.map(({ type }) => type));
}

/**
 * What serves a runtime whose configuration for us cannot be used: failing by policy, never by going away. A sandbox whose
 * failure the runtime cannot be told is held until the configuration is mended.
 */
export function createRefusingBridge(reason: string, ledger = new Ledger()): PluginHandlers {
  const spec: Spec = { resources: null, namespaces: {}, cgroupsPath: "", annotations: {} };
  return {
    // Those of teardown too: once the file is mended, what is created then gets its delete.
    configure: () => usualEvents,
    async handle({ name, pod }, { runtime }) {
      if (name !== "RunPodSandbox" && name !== "StartContainer") return noRequest;
      if (!mayFail(name, runtime)) {
        ledger.record({ ...aboutOf(podTarget(pod), () => spec), served: true });
        ledger.setRefused(pod.id, true);
        // No plugin has seen its create.
        ledger.skipDelete(pod.id);
      }
      throw new BridgeError("CONFIG", `nri-v01-bridge: the bridge's configuration is wrong: ${reason}`);
    },
  };
}
