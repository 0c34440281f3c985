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
import { type EventName, noRequest } from "../nri/events.js";
import type { PluginHandlers, RuntimeInfo } from "../nri/handlers.js";
import type { ConfigureRequest } from "../nri/types.js";
import { type ConfFile, createConfFile } from "../plugin/conf-file.js";
import type { Starter } from "../plugin/start.js";
import { BackgroundWork } from "./background.js";
import { Breakers } from "./breaker.js";
import { type Bridge, createBridge, missingEvents, usualEvents, wantedEvents } from "./bridge.js";
import { createRunChain, type RunReport } from "./chain.js";
import { Observers } from "./observers.js";
import { createRefusingBridge } from "./refusing-bridge.js";
import { createSandboxRule, type NativeFacts, readNativeFacts } from "./sandboxes.js";
import { createSpecSource } from "./spec-source.js";

/** What the service needs from outside. `replay` and the tests pass their own implementations. */
export interface ServiceOptions {
  /** The settings of the command line's flags first, then those of the environment. */
  readonly flags: PartialConfig;
  /**
   * The content of the file of `--config`; undefined without the flag: a runtime that launched the bridge sends the text in
   * Configure.
   */
  readonly file: PartialConfig | undefined;
  /**
   * Why neither the flags nor the file can be used. The bridge refuses creates with this text until a reload brings a valid file.
   */
  readonly fault?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly host: Host;
  readonly spawner: Starter;
  readonly cgroups: Cgroups;
  /**
   * Called when a chain has ended, with a function that returns the types of all plugins of conf.json: the bridge may start plugin
   * processes ahead of the next event now.
   */
  readonly afterChain?: (types: () => readonly string[]) => void;
  /** Opens the journal for the ledger of one runtime. Resolves to undefined where nothing is kept after the bridge's end. */
  readonly openJournal: (
    config: Config,
    runtime: RuntimeInfo,
    ledger: Ledger,
    onLateRecovery: () => void,
  ) => Promise<OpenJournal | undefined>;
  /**
   * The pid of the runtime's process; undefined when the search does not find it in time.
   * @param withinMs the limit of the search in milliseconds; by default, what the call Configure leaves
   */
  readonly findPeer: (runtime: RuntimeInfo, withinMs?: number) => Promise<number | undefined>;
  readonly log: Log;
  readonly onRun?: (report: RunReport) => void;
  /** Called with the settings in force after each Configure and each reload. */
  readonly onConfig?: (config: Config) => void;
}

type OpenJournal = Pick<JournalFile, "bytes" | "close">;

/** What a runtime said in Configure: together with the bridge's own settings, this is the input for a new bridge. */
interface Configured {
  readonly request: ConfigureRequest;
  readonly runtime: RuntimeInfo;
  peer: number | undefined;
  native: NativeFacts;
}

/**
 * compat: dockerd has no pods: it presents each container as its own pod, and sends CreateContainer and Synchronize only (moby
 * daemon/internal/nri). It gives no cgroupsPath either, so a plugin that needs to see a cgroup fails.
 */
const podless = "docker";

/** In milliseconds: a runtime that launched the bridge and has not sent Synchronize by then never does (containerd 1.7). */
const reconcileAfterMs = 3_000;

/**
 * The bridge as it runs on a node. The service builds a bridge when the runtime sends Configure, and builds a new one after a
 * reconnect or a reload; the ledger, breakers and background work carry over.
 */
export class Service {
  private readonly ledger = new Ledger();
  private readonly serial = new Serial();
  private readonly breakers = new Breakers();
  private readonly observers = new Observers();
  private readonly background = new BackgroundWork();
  /** A Configure and a reload each open a journal and build a bridge, so the service runs them one after the other. */
  private readonly building = new Serial();
  private readonly processes: Processes;
  private bridge: Bridge | undefined;
  /** Settles when the bridge of the latest Configure is built; undefined when no bridge is being built. */
  private preparing: Promise<void> | undefined;
  private file: PartialConfig | undefined;
  /** The settings from the text in Configure, where there is no file. */
  private text: PartialConfig | undefined;
  private fault: string | undefined;
  /** What the latest working bridge was built from; a refusing bridge leaves it unchanged. */
  private built: { readonly config: Config; readonly confFile: ConfFile } | undefined;
  private configured: Configured | undefined;
  /** Serves in place of the bridge while the configuration is wrong. */
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

  /** The handlers for the NRI stub. Each passes the call on to the bridge that is in force when the call arrives. */
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
   * Replaces the whole configuration file's settings. Resolves to whether the bridge now needs other events from the runtime.
   * @throws BridgeError CONFIG when the settings cannot be used; the earlier settings stay in force
   */
  reload(file: PartialConfig): Promise<{ readonly eventsChanged: boolean }> {
    return this.building.run("", () => this.reloadNow(file));
  }

  private async reloadNow(file: PartialConfig): Promise<{ readonly eventsChanged: boolean }> {
    const config = mergeConfig(this.options.flags, file);
    if (wantsCapture(config)) await requireCapture(this.options.cgroups);
    if (this.built !== undefined && JSON.stringify(this.built.config.state) !== JSON.stringify(config.state)) {
      // The ledger's content is in one journal, and another instance of the bridge may hold the other journal.
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
    // The refusing bridge ignored the runtime's list, so the new bridge looks at the machine for what is gone.
    if (first) void bridge.reconcile();
    return { eventsChanged: before.size !== after.length || after.some((event) => !before.has(event)) };
  }

  /**
   * The process is about to end: from now on the bridge starts no delete that no call waits for. The next bridge delivers those
   * deletes from the journal; without a journal (`state: memory`) this bridge still delivers them.
   */
  stopping(): void {
    this.background.stopping = this.built?.config.state !== "memory";
  }

  /**
   * The caller kills the plugins that still run and starts no more. The ledger does not count their deletes as delivered, and the
   * next bridge delivers these deletes again.
   */
  abandon(): void {
    this.background.abandoned = true;
    this.observers.close();
  }

  /** The settings of the configuration file, or of Configure's text, that are in force: the last valid ones. */
  get settings(): PartialConfig {
    return this.file ?? this.text ?? {};
  }

  /** What metrics and the status show of the service at this moment. */
  get facts() {
    const { built, configured } = this;
    const name = configured?.runtime.name;
    const { size, adopted } = this.ledger;
    return {
      remembered: size,
      withoutPlugins: adopted,
      /** Plugin types that conf.json lists: undefined when conf.json cannot be read, empty before the first Configure. */
      plugins: built === undefined ? [] : typesOf(built.confFile),
      /** The reasons why plugins do not run, each in a few words. */
      notices: [
        ...(this.refusing !== undefined ? ["the bridge's configuration is wrong: pods and containers fail"] : []),
        ...(adopted > 0 ? [`pods and containers that started without plugins: ${adopted}`] : []),
        ...(name === podless ? [`${name} has no pods and sends CreateContainer only`] : []),
      ],
      breakerOf: (plugin: string) => this.breakers.stateOf(plugin),
    };
  }

  /** Resolves when every delete that runs now has ended; each has its own time limit. */
  async deletesEnded(): Promise<void> {
    await Promise.allSettled(this.background.deleting.values());
  }

  /** Resolves when no plugin runs. */
  async idle(): Promise<void> {
    await this.background.idle();
    await this.serial.idle();
    await this.observers.idle();
  }

  /** Flushes the ledger to the journal, and closes the journal, the cgroup views and the process watches. */
  async close(): Promise<void> {
    await this.building.idle();
    clearTimeout(this.reconcileTimer);
    this.processes.close();
    this.options.host.watcher.close();
    await this.options.cgroups.close();
    await this.journal?.opened?.close();
  }

  /**
   * Answers Configure from the settings alone. Everything slow (reading files, finding the runtime's process, building the bridge)
   * starts after the answer, and the runtime's next calls wait for the new bridge.
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

  /** The settings in force from this Configure on, or the error that makes them unusable. */
  private configFor(request: ConfigureRequest): Config | Error {
    if (this.fault !== undefined) return new BridgeError("CONFIG", this.fault);
    try {
      this.text = this.file ?? parseConfig(request.config, "the runtime's Configure request");
      return mergeConfig(this.options.flags, this.text);
    } catch (error) {
      return error instanceof Error ? error : new Error(errorText(error));
    }
  }

  /** Builds the bridge for a Configure, or the refusing bridge when the configuration is wrong. Never rejects. */
  private async prepare(request: ConfigureRequest, runtime: RuntimeInfo): Promise<void> {
    const { cgroups, findPeer, log } = this.options;
    // The settings are read again here: a reload may have run since `configure` read them.
    const config = this.configFor(request);
    // The fault may last only a moment, and the runtime sends no other Configure: each later view is tried on its own.
    const sayNoCapture = (error: unknown) =>
      log.error({ error: errorText(error) }, "captured cgroup views are impossible: plugins with cgroup: capture fail");
    await new Promise((nextTurn) => setImmediate(nextTurn));
    try {
      const peer = await findPeer(runtime);
      this.configured = { request, runtime, peer, native: await readNativeFacts(runtime.name, peer) };
      if (peer === undefined)
        void this.findLater(this.configured).catch((error) =>
          log.debug({ error: errorText(error) }, "the bridge cannot inspect the runtime's process"),
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
        const text = "the runtime has no pods: only plugins with phase: create run, and those that need a cgroup fail";
        log.warn(about, text);
      }
      if (mayCapture(config)) void cgroups.warm();
      if (runtime.socketPath !== undefined) return;
      clearTimeout(this.reconcileTimer);
      this.reconcileTimer = setTimeout(() => void this.bridge?.reconcile(), reconcileAfterMs).unref();
    } catch (error) {
      // If containerd 1.7 launched the bridge, an exit here would end containerd too (PROTOCOL: launched plugins).
      log.error(
        { error: errorText(error) },
        "the bridge's configuration is wrong: no plugin runs, and creates of pods and containers fail",
      );
      this.refusing = createRefusingBridge(errorText(error), this.ledger);
    }
  }

  private async build(configured: Configured, config: Config): Promise<Bridge> {
    const { runtime } = configured;
    // Each runtime has one journal, which stays open when the connection ends and another one begins.
    const key = JSON.stringify([runtime.name, runtime.socketPath, config.state]);
    if (this.journal?.key !== key) {
      await this.journal?.opened?.close();
      // The bridge compared the runtime's list without the entries that the journal recovers late: it compares again.
      const onLateRecovery = () => void this.bridge?.reconcile();
      this.journal = { key, opened: await this.options.openJournal(config, runtime, this.ledger, onLateRecovery) };
    }
    this.bridge = this.createBridge(configured, config);
    this.refusing = undefined;
    return this.bridge;
  }

  /**
   * Searches for the runtime's process without a time limit. On a slow machine the search within Configure's time finds nothing,
   * and until the next Configure both the runtime and the bridge would run plugins for each sandbox.
   */
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
      // While conf.json cannot be read, no plugin is started ahead.
      afterChain: () => afterChain?.(() => typesOf(confFile) ?? []),
    });
    return createBridge({
      ...{ config, host, confFile, runChain, ledger, processes, background, serial, log },
      specOf: createSpecSource(host, { ...config.annotations, crio, alias }, log),
      servesSandbox: createSandboxRule(config, runtime, configured, log),
    });
  }
}

/** The plugin types of conf.json; undefined when conf.json cannot be read. */
function typesOf(confFile: ConfFile): string[] | undefined {
  return attempt(() => confFile.read().plugins.map(({ type }) => type));
}
