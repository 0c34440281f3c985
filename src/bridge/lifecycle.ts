import type { MergedChange } from "../adjust/from-v01.js";
import { within } from "../base/deadline.js";
import { attempt, BridgeError, errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import type { Serial } from "../base/serial.js";
import { extraEvents, hasCreatePhase, keepsResources } from "../config/merge.js";
import type { Config } from "../config/schema.js";
import type { Host } from "../host/host.js";
import { bothPhases, type Created, type Ledger, type Phase } from "../ledger/ledger.js";
import type { Processes } from "../ledger/processes.js";
import { messageToJson } from "../nri/json.js";
import type { LinuxResources } from "../nri/types.js";
import type { ConfFile } from "../plugin/conf-file.js";
import {
  type PodResources,
  type Target,
  toCreateRequest,
  toDeleteRequest,
  toResizedSpec,
  toSuperset,
  toUpdateRequest,
} from "../v01/to-v01.js";
import type { ConfigList } from "../v01/types.js";
import type { BackgroundWork } from "./background.js";
import { backgroundInfo, type CallTime, type EventInfo, planBackground } from "./call-time.js";
import { type ChainEnd, noChange, notRun, type PendingChain, type RunChain } from "./chain.js";
import { HeldSandboxes } from "./held-sandboxes.js";
import { noPlugins, PluginLists } from "./plugin-lists.js";
import { aboutOf, Records } from "./records.js";
import type { SandboxRule } from "./sandboxes.js";
import type { SpecOf } from "./spec-source.js";

/** The parts of a bridge. The caller passes in all IO, the clocks and the log. */
export interface BridgeParts {
  readonly config: Config;
  readonly confFile: ConfFile;
  readonly host: Host;
  readonly specOf: SpecOf;
  readonly runChain: RunChain;
  readonly ledger: Ledger;
  readonly processes: Processes;
  readonly background: BackgroundWork;
  readonly servesSandbox: SandboxRule;
  /** Runs the work on one pod or container one after the other: an event and a delete of the bridge's own may come together. */
  readonly serial: Serial;
  readonly log: Log;
}

/** At most this many deletes run on after the answer to their call, so that a plugin that hangs cannot fill the node. */
const mostRunningOn = 16;

/**
 * The v0.1 life of pod sandboxes and containers: a create, updates, and exactly one delete for each create that the bridge
 * attempted, whether the create failed or not. After a kill of the bridge during a delete, the next bridge delivers that delete
 * again.
 */
export class Lifecycle {
  /** The sandboxes whose failed create the bridge must not report to the runtime. */
  readonly held: HeldSandboxes;
  readonly records: Records;
  private readonly lists: PluginLists;
  /** The number of deletes that still run after the bridge has answered their call. */
  private deletesRunningOn = 0;

  constructor(private readonly parts: BridgeParts) {
    const deleteNow = (id: string, info: EventInfo) => this.deleteNow(id, info);
    this.held = new HeldSandboxes(parts, (pod, info) => this.createNow(pod, info), deleteNow);
    this.records = new Records(parts);
    this.lists = new PluginLists(parts);
    if (parts.background.waiting.size > 0) this.retryLater();
  }

  /** Whether no plugin takes this event, and no running work has to end before its answer. */
  asksNothing(event: EventInfo["event"]): boolean {
    const { background, config, confFile, serial } = this.parts;
    if (serial.busy || background.deleting.size > 0) return false;
    if (event === "UpdateContainer" && keepsResources(config)) return false;
    return attempt(() => confFile.read())?.plugins.length === 0;
  }

  /**
   * Records the create in the ledger, then runs its plugins.
   * @throws BridgeError PLUGIN_FAILED or CONF_LIST when a plugin's failure or an unreadable conf.json fails the create
   */
  create(target: Target, info: EventInfo): Promise<void> {
    return this.parts.serial.run(target.id, () => this.createNow(target, info));
  }

  private async createNow(target: Target, info: EventInfo): Promise<void> {
    // The create runs now, so the bridge does not adopt this pod or container any more.
    if (this.records.awaitsAdoption(target.id)) this.parts.ledger.deferred.delete(target.id);
    this.records.recordDeferred(target.id);
    await this.runCreate(target, info, "start");
  }

  /**
   * Runs the create of the plugins in phase `create`, before the container exists. Resolves to the changes of the container.
   * @throws BridgeError PLUGIN_FAILED when a plugin's failure fails the create
   */
  createBefore(target: Target, info: EventInfo): Promise<MergedChange> {
    const { config, ledger, serial } = this.parts;
    return serial.run(target.id, async () => {
      // The bridge may subscribe to this event only to create held sandboxes again.
      if (!hasCreatePhase(config)) return noChange;
      const { results, change } = await this.runCreate(target, info, "create");
      ledger.keepCreateResults(target.id, results);
      return change;
    });
  }

  private async runCreate(target: Target, info: EventInfo, phase: Phase): Promise<ChainEnd> {
    const { records } = this;
    const { config, ledger } = this.parts;
    const isSandbox = target.kind === "sandbox";
    // Where no plugin has phase create, every plugin has its create at the start. Recording both phases means that a plugin that a
    // later reload moves to phase create still gets its delete.
    const phases = phase === "start" && !hasCreatePhase(config) ? bothPhases : [phase];
    const conf = records.serves(target)
      ? this.lists.read(isSandbox ? "the create fails" : "no plugin runs for this create", info)
      : noPlugins;
    // compat: for an unreadable conf.json, containerd 1.6 failed a sandbox's create, and ran no plugins for a
    // container's create.
    if (conf.fault !== undefined && isSandbox) {
      records.record(target, { phases });
      throw conf.fault;
    }
    // Sandboxes have no phases: NRI v2 has one event for their create.
    const list = this.lists.takers(conf, "create", isSandbox ? bothPhases : [phase]);
    if (list.plugins.length === 0) {
      records.recordAfterReply(target, { phases });
      return notRun;
    }
    const make = () => {
      const created = records.record(target, { phases });
      const request = toCreateRequest(list.version, "create", target, created.spec);
      const earlierResults = phase === "start" ? ledger.createResultsOf(target.id) : [];
      return { request, target: created, earlierResults };
    };
    const end = await this.runOrFail({ ...info, list, phase, make }, target);
    ledger.keep(target.id, end.change.kept);
    return end;
  }

  /**
   * Runs the update's plugins. Resolves to the changes that their results ask for.
   * @throws BridgeError PLUGIN_FAILED when a plugin's failure fails the update
   */
  update(target: Target, asked: LinuxResources | undefined, info: EventInfo): Promise<MergedChange> {
    return this.parts.serial.run(target.id, async () => {
      this.records.recordDeferred(target.id);
      const created = this.parts.ledger.get(target.id);
      if (created === undefined) return noChange;
      const list = this.lists.takers(this.lists.read("no plugin runs for this update", info), "update");
      const make = () => ({ request: toUpdateRequest(list.version, created, target, asked), target: created });
      const kept = keepsResources(this.parts.config) ? created.kept : undefined;
      return (await this.runOrFail({ ...info, list, phase: "update", kept, make }, target)).change;
    });
  }

  /**
   * Delivers the delete of an attempted create, once. The bridge logs a failure, and teardown goes on. Resolves to the changes of
   * other containers that the results ask for. The bridge answers the call within the call's time; the plugins may run on after the
   * answer, for the delete's own time.
   */
  async delete(id: string, info: EventInfo, target?: Target): Promise<MergedChange> {
    const { background, log } = this.parts;
    // The running delete returns no changes to this second call, and the runtime holds a lock while it waits.
    if (this.isDeleting(id) && !info.inBackground) return noChange;
    const done = this.deleteInTurn(id, info, target).finally(() => background.deleting.delete(id));
    background.deleting.set(id, done);
    if (info.inBackground) return done;
    return within(info.time.answerBy, done, () => {
      this.deletesRunningOn += 1;
      const ended = ({ updates }: MergedChange) => {
        this.deletesRunningOn -= 1;
        if (updates.length === 0) return;
        const containers = updates.map(({ containerId }) => containerId);
        log.warn(
          { id, event: info.event, containers },
          "a delete ended after the bridge had answered it: the bridge drops the container updates that its plugins asked for",
        );
      };
      done.then(ended, () => ended(noChange));
      return noChange;
    });
  }

  /** Whether a delete of this id runs or waits for its turn; the delete of a held sandbox counts too. */
  private isDeleting(id: string): boolean {
    return this.parts.background.deleting.has(id) || this.parts.ledger.isDeleting(id);
  }

  private async deleteInTurn(id: string, info: EventInfo, target: Target | undefined): Promise<MergedChange> {
    const { background, ledger, serial } = this.parts;
    if (target?.kind === "sandbox") {
      // The containers' deletes come before their pod's: the bridge delivers those still owed, since the runtime may send no event
      // for them, and waits for those that run.
      await this.deleteAll(this.records.openContainersOf(id), info.event);
      await Promise.all(ledger.containersOf(id).map((container) => serial.run(container, async () => {})));
      // This process is about to end: the next bridge delivers the deletes of these containers and of the pod.
      if (background.stopping && this.records.openContainersOf(id).length > 0) return noChange;
    }
    return serial.run(id, () => this.deleteNow(id, info, target));
  }

  private async deleteNow(id: string, info: EventInfo, target?: Target): Promise<MergedChange> {
    const { background, ledger, log } = this.parts;
    if (info.inBackground && background.stopping) return noChange;
    this.records.recordDeferred(id);
    const created = ledger.isOpen(id) ? ledger.get(id) : undefined;
    if (created === undefined) return noChange;
    const list = this.deleteList(created, info, target);
    if (list === undefined) {
      if (background.waiting.size === 0) this.retryLater();
      background.waiting.set(id, info.event);
      return noChange;
    }
    if (list.plugins.length === 0) {
      ledger.skipDelete(id);
      return noChange;
    }
    const make = () => {
      ledger.takeDelete(id);
      const request = toDeleteRequest(list.version, created, target?.container?.linux?.resources);
      return { request, target: created };
    };
    const end = () => {
      if (!background.abandoned) ledger.endDelete(id);
    };
    const call = { ...info, time: this.deleteTime(info), list, phase: "delete", make } as const;
    let observed: Promise<unknown> | undefined;
    try {
      const ran = await this.run(call, target);
      observed = ran.observed;
      if (ran.error === undefined) return ran.change;
      const { pod, container } = created;
      log.warn(
        { id, pod, container, event: info.event, error: ran.error },
        "a plugin failed at a delete: the runtime's teardown goes on all the same",
      );
      return noChange;
    } finally {
      if (observed === undefined) end();
      else void observed.then(end, end);
    }
  }

  /** compat: containerd 1.6 gave each delete 10 s. The time begins when the delete's turn comes. */
  private deleteTime({ inBackground, time }: EventInfo): CallTime {
    const { config } = this.parts;
    if (!inBackground && this.deletesRunningOn >= mostRunningOn) return time;
    return planBackground(config.deleteTimeoutMs, "deleteTimeoutMs", config);
  }

  /** The plugins that get a delete; undefined when the delete can wait until conf.json is readable again. */
  private deleteList(created: Created, info: EventInfo, target?: Target): ConfigList | undefined {
    // Since the create, an installer may have given the runtime and the bridge the same conf.json: the runtime then delivers it.
    if (target?.kind === "sandbox" && !this.parts.servesSandbox("delete", target.pod)) return noPlugins;
    // compat: containerd 1.6 never delivered the delete of an event that met an unreadable conf.json. The delete of a
    // held sandbox takes the place of such an event's delete, so it does not wait either.
    const canWait = info.inBackground === true && !created.refused;
    const conf = this.lists.read(
      canWait ? "this delete waits until the bridge can use conf.json" : "no plugin runs for this delete",
      info,
    );
    if (conf.fault !== undefined && canWait) return undefined;
    return this.lists.takers(conf, "delete", created.kind === "sandbox" ? bothPhases : created.phases);
  }

  private retryLater(): void {
    this.parts.background.retryLater(() => void this.deleteWaiting());
  }

  /** Delivers the deletes that wait for a readable conf.json, once the bridge can read conf.json again. */
  private async deleteWaiting(): Promise<void> {
    const { background, confFile } = this.parts;
    if (attempt(() => confFile.read()) === undefined) return this.retryLater();
    const waiting = [...background.waiting];
    background.waiting.clear();
    for (const [id, event] of waiting) await this.deleteAll([id], event);
  }

  /** Delivers deletes that no call waits for, one after the other. Never rejects. */
  deleteAll(ids: readonly string[], event: EventInfo["event"]): Promise<void> {
    const { background, config, log } = this.parts;
    const deleteEach = async () => {
      for (const id of ids) {
        if (background.stopping) return;
        await this.delete(id, backgroundInfo(event, config)).catch((error) => {
          log.error({ id, event, error: errorText(error) }, "the bridge could not run the plugins for a delete");
        });
      }
    };
    return background.track(deleteEach());
  }

  /**
   * compat: CRI-O sends no event for a container that runc refuses. The next create of a container with the same name in the same
   * pod shows that the refused container is gone, unless its process is alive.
   */
  deleteReplaced({ id, sandboxID, container }: Target, event: EventInfo["event"]): void {
    if (container === undefined || container.name === "") return;
    const isReplaced = (other: string) =>
      this.parts.ledger.get(other)?.container === container.name && this.records.livenessOf(other) !== "alive";
    const replaced = this.records.openContainersOf(sandboxID, id).filter(isReplaced);
    if (replaced.length > 0) void this.deleteAll(replaced, event);
  }

  /**
   * Runs the plugins whose `events` setting gives this event a state.
   * @param asked the resources that an UpdatePodSandbox asks for
   * @throws BridgeError PLUGIN_FAILED when a plugin's failure fails the call
   */
  async extra(target: Target, info: EventInfo, asked: PodResources): Promise<void> {
    const { config, ledger, specOf, serial, log } = this.parts;
    if (!extraEvents(config).includes(info.event)) return;
    const isDeleting = this.isDeleting(target.id);
    const done = serial.run(target.id, async () => {
      const conf = this.lists.read("no plugin runs for this event", info);
      const lists = this.lists.ownTakers(conf, info.event);
      if (lists.length === 0) return;
      this.records.recordDeferred(target.id);
      const known = ledger.get(target.id) ?? aboutOf(target, specOf);
      const spec = toResizedSpec(known.spec, asked);
      for (const [state, list] of lists) {
        const request = toCreateRequest(conf.version, state, { ...target, pid: known.pid }, spec);
        const make = () => ({ request, target: known });
        const call = { ...info, list, phase: "delete", changesNothing: true, make } as const;
        await this.runOrFail(call, target);
      }
    });
    const failed = (error: unknown) =>
      log.error(
        { id: target.id, event: info.event, error: errorText(error) },
        "plugins failed on an event after the bridge had answered it: the runtime does not see the error",
      );
    // The runtime holds a lock during the call, so the call does not wait for a running delete.
    if (isDeleting) void done.catch(failed);
    else await within(info.time.answerBy, done, () => void done.catch(failed));
  }

  private async runOrFail(call: PendingChain, target: Target): Promise<ChainEnd> {
    const end = await this.run(call, target);
    if (end.error !== undefined) throw new BridgeError("PLUGIN_FAILED", `nri invoke: ${end.error}`);
    return end;
  }

  private async run(call: PendingChain, target: Target | undefined): Promise<ChainEnd> {
    const { config, runChain } = this.parts;
    if (call.list.plugins.length === 0 && call.kept === undefined) return notRun;
    if (config.request === "strict" || target === undefined) return runChain(call);
    const { pod, container } = target;
    const nri = {
      pod: messageToJson("PodSandbox", pod),
      ...(container === undefined ? {} : { container: messageToJson("Container", container) }),
    };
    const make = () => {
      const made = call.make();
      return { ...made, request: toSuperset(made.request, target, nri) };
    };
    return runChain({ ...call, make });
  }
}
