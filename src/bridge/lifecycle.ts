import type { MergedChange } from "../adjust/from-v01.js";
import { within } from "../base/deadline.js";
import { BridgeError, errorText } from "../base/errors.js";
import type { Serial } from "../base/serial.js";
import { extraEvents, hasCreatePhase, keepsResources } from "../config/merge.js";
import type { Host } from "../host/host.js";
import { bothPhases, type Created, type CreateInfo, type Ledger, type Phase } from "../ledger/ledger.js";
import type { Processes } from "../ledger/processes.js";
import { messageToJson } from "../nri/json.js";
import type { LinuxResources } from "../nri/types.js";
import { type Target, toCreateRequest, toDeleteRequest, toSuperset, toUpdateRequest } from "../v01/to-v01.js";
import type { ConfigList } from "../v01/types.js";
import type { BackgroundWork } from "./background.js";
import { backgroundInfo, type CallTime, type EventInfo, planBackground } from "./call-time.js";
import { type ChainCall, type ChainEnd, noChange, type RunChain } from "./chain.js";
import { HeldSandboxes } from "./held-sandboxes.js";
import { PluginLists, type PluginListsParts } from "./plugin-lists.js";
import type { SandboxRule } from "./sandboxes.js";
import type { SpecSource } from "./spec-source.js";

/** @param status a few words, for one line of a status */
export type Notice = (status: string, fields: object, sentence: string) => void;

/** What the bridge is built from: IO, time and the log come in here. */
export interface BridgeParts extends PluginListsParts {
  readonly host: Host;
  readonly specs: SpecSource;
  readonly runChain: RunChain;
  readonly ledger: Ledger;
  readonly processes: Processes;
  readonly background: BackgroundWork;
  /** Says once, in the log and in the status, what keeps plugins from running. */
  readonly notice: Notice;
  readonly servesSandbox: SandboxRule;
  /** Work on one pod or container goes one after the other: an event and a delete of our own may race. */
  readonly serial: Serial;
}

/** More deletes do not run on past the answer to their call: a plugin that hangs must not fill the node. */
const mostRunningOn = 16;

/**
 * The v0.1 life of pod sandboxes and containers: a create, updates, and one delete for each create that was attempted,
 * failed or not, and for nothing else. A delete that a kill of the bridge cut short is delivered again by the next one.
 */
export class Lifecycle {
  /** Sandboxes whose failure the runtime cannot be told. */
  readonly held: HeldSandboxes;
  private readonly lists: PluginLists;
  private readonly deleting = new Set<string>();
  /** Deletes whose call was answered before their end. */
  private deletesRunningOn = 0;

  constructor(private readonly parts: BridgeParts) {
    this.held = new HeldSandboxes(parts, {
      create: (pod, info) => this.createNow(pod, info),
      delete: async (id, info) => void (await this.deleteNow(id, info)),
    });
    this.lists = new PluginLists(parts);
    if (parts.background.waiting.size > 0) this.retryLater();
  }

  /** Records the create, then runs it. @throws BridgeError PLUGIN_FAILED, CONF_LIST: the create is to fail */
  create(target: Target, info: EventInfo): Promise<void> {
    return this.parts.serial.run(target.id, () => this.createNow(target, info));
  }

  private async createNow(target: Target, info: EventInfo): Promise<void> {
    const { ledger } = this.parts;
    if (ledger.awaitsAdoption(target.id)) ledger.takePending(target.id);
    this.recordPending(target.id);
    await this.runCreate(target, info, "start");
  }

  /**
   * The create of those plugins whose phase is `create`: before the container exists. Gives what it is to be changed to.
   * @throws BridgeError PLUGIN_FAILED: the create is to fail
   */
  createBefore(target: Target, info: EventInfo): Promise<MergedChange> {
    const { config, ledger, serial } = this.parts;
    return serial.run(target.id, async () => {
      // The event may be asked for on behalf of held sandboxes alone.
      if (!hasCreatePhase(config)) return noChange.change;
      const { results, change } = await this.runCreate(target, info, "create");
      ledger.keepCreateResults(target.id, results);
      return change;
    });
  }

  private async runCreate(target: Target, info: EventInfo, phase: Phase): Promise<ChainEnd> {
    // Where no plugin is of phase create, all have theirs at the start: one that a reload gives that phase still gets its delete.
    const phases = phase === "start" && !hasCreatePhase(this.parts.config) ? bothPhases : [phase];
    if (!this.serves(target)) return this.recordAfterReply(target, { phases });
    const conf = this.lists.read(target.kind === "sandbox" ? "the create fails" : "no plugin runs for this create");
    if (conf instanceof BridgeError) {
      this.record(target, { phases });
      // compat: containerd 1.6 failed a sandbox whose conf.json could not be read, and ran no plugins for such a container.
      if (target.kind === "sandbox") throw conf;
      return noChange;
    }
    // Sandboxes have no phases: NRI v2 has one event for their create.
    const list = this.lists.takers(conf, "create", target.kind === "sandbox" ? bothPhases : [phase]);
    if (list.plugins.length === 0) return this.recordAfterReply(target, { phases });
    const attempt = async (created: Created) => {
      const request = toCreateRequest(list.version, "create", target, created.spec);
      const earlierResults = phase === "start" ? this.parts.ledger.createResultsOf(target.id) : [];
      const end = await this.runOrFail({ ...info, list, request, target: created, phase, earlierResults }, target);
      this.parts.ledger.keep(target.id, end.change.kept);
      return end;
    };
    if (!this.lists.allAsync(list)) return attempt(this.record(target, { phases }));
    this.parts.ledger.defer(target, { phases });
    this.afterAnswer(target.id, async () => {
      this.recordPending(target.id);
      const created = this.parts.ledger.get(target.id);
      if (created !== undefined) await attempt(created);
    });
    return noChange;
  }

  /** Does what no call waits for: when its answer is on its way, and in turn with all else that is done for the id. */
  private afterAnswer(id: string, work: () => Promise<unknown>): void {
    const { log, serial } = this.parts;
    const done = serial.run(id, async () => {
      await new Promise((nextTurn) => setImmediate(nextTurn));
      await work();
    });
    done.catch((error) => log.error({ id, error: errorText(error) }, "background plugin run failed"));
  }

  /** Records the pending creates, now; what is still listed and was running before us can wait. */
  recordAll(listed: readonly Target[] = []): void {
    const { ledger } = this.parts;
    const known = new Set(listed.map(({ id }) => id));
    for (const id of ledger.pending()) if (!ledger.awaitsAdoption(id) || !known.has(id)) this.recordPending(id);
  }

  /**
   * Counts as created what was running before us: it gets no create, and its delete. Looking at each takes its time on a
   * full node, so that is done between events.
   */
  async adoptListed(): Promise<void> {
    for (const id of this.parts.ledger.pending()) {
      this.recordPending(id);
      await new Promise((nextTurn) => setImmediate(nextTurn));
    }
  }

  /** The containers of a pod that still wait for their delete. */
  openContainersOf(sandboxID: string): string[] {
    const { ledger } = this.parts;
    for (const id of [sandboxID, ...ledger.containersOf(sandboxID)]) this.recordPending(id);
    return ledger.containersOf(sandboxID).filter((id) => ledger.isOpen(id));
  }

  /**
   * compat: CRI-O sends no event for a container that runc refuses. The next create of its name in its pod tells that it is
   * gone, unless its process says otherwise.
   */
  deleteReplaced({ id, sandboxID, container }: Target, event: EventInfo["event"]): void {
    const { host, ledger } = this.parts;
    if (container === undefined || container.name === "") return;
    const others = ledger.containersOf(sandboxID).filter((other) => other !== id);
    for (const other of others) this.recordPending(other);
    const replaced = others.filter((other) => {
      const created = ledger.isOpen(other) ? ledger.get(other) : undefined;
      if (created?.container !== container.name) return false;
      return created.process === undefined || host.liveness(created.process) !== "alive";
    });
    if (replaced.length > 0) void this.deleteAll(replaced, event);
  }

  private recordPending(id: string): void {
    const pending = this.parts.ledger.takePending(id);
    if (pending !== undefined) this.record(pending.target, pending.info);
  }

  /** A create that no plugin runs for: it is recorded, for its delete, when the answer is on its way. */
  private recordAfterReply(target: Target, info: CreateInfo): ChainEnd {
    this.parts.ledger.defer(target, info);
    setImmediate(() => this.recordPending(target.id));
    return noChange;
  }

  private serves({ kind, pod }: Target): boolean {
    return kind === "container" || this.parts.servesSandbox("create", pod);
  }

  private record(target: Target, info: CreateInfo): Created {
    const { ledger, processes, specs } = this.parts;
    const { identity: process, parent } = processes.identify(target) ?? {};
    const about = { ...aboutOf(target, specs, parent), served: this.serves(target) };
    const created = ledger.record({ ...about, ...(process === undefined ? {} : { process }) }, info);
    // Containers that end have an event; a pause process that dies, or outlives a restart of the runtime, has none.
    if (target.kind === "sandbox") processes.watch(created);
    return created;
  }

  /** Gives what the results make of the update. @throws BridgeError PLUGIN_FAILED: the update is to fail */
  update(target: Target, asked: LinuxResources | undefined, info: EventInfo): Promise<MergedChange> {
    return this.parts.serial.run(target.id, async () => {
      this.recordPending(target.id);
      const created = this.parts.ledger.get(target.id);
      if (created === undefined) return noChange.change;
      const conf = this.lists.read("no plugin runs for this update");
      const list = conf instanceof BridgeError ? noPlugins : this.lists.takers(conf, "update");
      const request = toUpdateRequest(list.version, created, target, asked);
      const kept = keepsResources(this.parts.config) ? created.kept : undefined;
      const call = { ...info, list, request, target: created, phase: "update", earlierResults: [], kept } as const;
      return (await this.runOrFail(call, target)).change;
    });
  }

  /**
   * Delivers the delete of an attempted create, once. A failure is logged: teardown goes on. Gives what the results ask
   * to change of other containers. The call is answered in its time, and the chain runs on in its own.
   */
  async delete(id: string, info: EventInfo, target?: Target): Promise<MergedChange> {
    const { log } = this.parts;
    // Its end has nothing for this call: the runtime holds its lock meanwhile.
    if (this.isDeleting(id) && !info.inBackground) return noChange.change;
    this.deleting.add(id);
    const work = target?.kind === "sandbox" ? this.deletePodSandbox(target, info) : this.deleteInTurn(id, info, target);
    const done = work.finally(() => this.deleting.delete(id));
    if (info.inBackground) return done;
    this.parts.background.trackDelete(done);
    let isLate = false;
    const late = () => {
      isLate = true;
      this.deletesRunningOn += 1;
      return noChange.change;
    };
    const ended = done.finally(() => {
      if (isLate) this.deletesRunningOn -= 1;
    });
    ended.then(
      ({ updates }) => {
        if (!isLate || updates.length === 0) return;
        const containers = updates.map(({ containerId }) => containerId);
        log.warn({ id, event: info.event, containers }, "updates of a late delete are dropped: its call was answered");
      },
      () => {},
    );
    return within(info.time.answerBy, ended, late);
  }

  /** Whether the delete of an id runs, waits for its turn or for those of a pod's containers. */
  private isDeleting(id: string): boolean {
    return this.deleting.has(id) || this.parts.ledger.isDeleting(id);
  }

  /** The containers' deletes come before their pod's: of those that are open, which will see no event of their own, and that run. */
  private async deletePodSandbox(target: Target, info: EventInfo): Promise<MergedChange> {
    const { background, ledger, serial } = this.parts;
    const { id } = target;
    await this.deleteAll(this.openContainersOf(id), info.event);
    await Promise.all(ledger.containersOf(id).map((container) => serial.run(container, async () => {})));
    // The next bridge delivers them all.
    if (background.stopping && this.openContainersOf(id).length > 0) return noChange.change;
    return this.deleteInTurn(id, info, target);
  }

  private deleteInTurn(id: string, info: EventInfo, target?: Target): Promise<MergedChange> {
    return this.parts.serial.run(id, () => this.deleteNow(id, info, target));
  }

  private async deleteNow(id: string, info: EventInfo, target?: Target): Promise<MergedChange> {
    const { background, ledger, processes } = this.parts;
    if (info.inBackground && background.stopping) return noChange.change;
    this.recordPending(id);
    processes.unwatch(id);
    const created = ledger.isOpen(id) ? ledger.get(id) : undefined;
    if (created === undefined) return noChange.change;
    const list = this.deleteList(created, info, target);
    if (list === undefined) {
      if (background.waiting.size === 0) this.retryLater();
      background.waiting.set(id, { created, event: info.event });
      return noChange.change;
    }
    if (list.plugins.length === 0) {
      ledger.skipDelete(id);
      return noChange.change;
    }
    ledger.takeDelete(id);
    const end = () => {
      if (!background.abandoned) ledger.endDelete(id);
    };
    const deliver = async () => {
      let observed: Promise<unknown> | undefined;
      try {
        const ran = await this.runDelete(created, list, { ...info, time: this.deleteTime(info) }, target);
        observed = ran.observed;
        return ran.change;
      } finally {
        if (observed === undefined) end();
        else void observed.then(end);
      }
    };
    if (info.inBackground || !this.lists.allAsync(list)) return await deliver();
    this.afterAnswer(id, deliver);
    return noChange.change;
  }

  /** compat: containerd 1.6 gave each delete 10 s. It begins with the turn of the delete. */
  private deleteTime({ inBackground, time }: EventInfo): CallTime {
    const { config } = this.parts;
    if (!inBackground && this.deletesRunningOn >= mostRunningOn) return time;
    return planBackground(config.deleteTimeoutMs, "deleteTimeoutMs", config);
  }

  /** The plugins that a delete is delivered to; undefined for one that can wait until conf.json can be read. */
  private deleteList(created: Created, { inBackground }: EventInfo, target?: Target): ConfigList | undefined {
    // An installer may have made conf.json one file of both since the create.
    if (target?.kind === "sandbox" && !this.parts.servesSandbox("delete", target.pod)) return noPlugins;
    // compat: containerd 1.6 was done with a delete of an event then, which that of a held sandbox stands for.
    const canWait = inBackground === true && !created.refused;
    const conf = this.lists.read(canWait ? "this delete waits until it can be" : "no plugin runs for this delete");
    if (conf instanceof BridgeError) return canWait ? undefined : noPlugins;
    return this.lists.takers(conf, "delete", created.kind === "sandbox" ? bothPhases : created.phases);
  }

  private async runDelete(
    created: Created,
    list: ConfigList,
    info: EventInfo,
    target: Target | undefined,
  ): Promise<Pick<ChainEnd, "change" | "observed">> {
    const request = toDeleteRequest(list.version, created, target?.container?.linux?.resources);
    const call = { ...info, list, request, target: created, phase: "delete", earlierResults: [] } as const;
    const end = await this.run(call, target);
    const { error, observed } = end;
    if (error === undefined) return end;
    const { event } = info;
    this.parts.log.warn({ ...logFields(created), event, error }, "a delete failed; teardown goes on");
    return { ...noChange, ...(observed === undefined ? {} : { observed }) };
  }

  private retryLater(): void {
    this.parts.background.retryLater(() => void this.deleteWaiting());
  }

  /** Delivers what waits for conf.json, if that can be read again. */
  private async deleteWaiting(): Promise<void> {
    const { background, confFile, ledger } = this.parts;
    try {
      confFile.read();
    } catch {
      return this.retryLater();
    }
    const waiting = [...background.waiting];
    background.waiting.clear();
    for (const [id, { created, event }] of waiting) {
      // One that had another create since then has an event to come.
      if (ledger.get(id) === created) await this.deleteAll([id], event);
    }
  }

  /** Deletes that no call waits for, one after the other. Never rejects. */
  deleteAll(ids: readonly string[], event: EventInfo["event"]): Promise<void> {
    return this.parts.background.track(this.deleteEach(ids, event));
  }

  private async deleteEach(ids: readonly string[], event: EventInfo["event"]): Promise<void> {
    const { background, log } = this.parts;
    for (const id of ids) {
      if (background.stopping) return;
      await this.delete(id, backgroundInfo(event, this.parts.config)).catch((error) => {
        log.error({ id, event, error: errorText(error) }, "a delete could not be delivered");
      });
    }
  }

  /** Runs the plugins that are configured for this event with a state of their own. @throws BridgeError PLUGIN_FAILED */
  async extra(target: Target, info: EventInfo): Promise<void> {
    const { config, ledger, specs, serial, log } = this.parts;
    if (!extraEvents(config).includes(info.event)) return;
    const isDeleting = this.isDeleting(target.id);
    const done = serial.run(target.id, async () => {
      const conf = this.lists.read("no plugin runs for this event");
      if (conf instanceof BridgeError) return;
      const lists = this.lists.ownTakers(conf, info.event);
      if (lists.length === 0) return;
      this.recordPending(target.id);
      const known = ledger.get(target.id) ?? aboutOf(target, specs);
      for (const [state, list] of lists) {
        const request = toCreateRequest(conf.version, state, { ...target, pid: known.pid }, known.spec);
        const about = { list, request, target: known, phase: "delete", changesNothing: true } as const;
        await this.runOrFail({ ...info, ...about, earlierResults: [] }, target);
      }
    });
    const failed = (error: unknown) =>
      log.error({ id: target.id, event: info.event, error: errorText(error) }, "background plugin run failed");
    // Nothing waits for a delete under the runtime's lock.
    if (isDeleting) void done.catch(failed);
    else await within(info.time.answerBy, done, () => void done.catch(failed));
  }

  private async runOrFail(call: ChainCall, target: Target): Promise<ChainEnd> {
    const end = await this.run(call, target);
    if (end.error !== undefined) throw new BridgeError("PLUGIN_FAILED", `nri invoke: ${end.error}`);
    return end;
  }

  private async run(call: ChainCall, target: Target | undefined): ReturnType<RunChain> {
    const { config, runChain } = this.parts;
    if (call.list.plugins.length === 0 && call.kept === undefined) return noChange;
    if (config.request === "strict" || target === undefined) return runChain(call);
    const { pod, container } = target;
    const nri = {
      pod: messageToJson("PodSandbox", pod),
      ...(container === undefined ? {} : { container: messageToJson("Container", container) }),
    };
    return runChain({ ...call, request: toSuperset(call.request, target, nri) });
  }
}

const noPlugins: ConfigList = { version: "", plugins: [] };

type About = Omit<Created, "phases" | "adopted" | "served" | "process" | "refused">;

/** What is remembered of a pod or container, beside its create. */
export function aboutOf(target: Target, specs: SpecSource, parent?: number): About {
  const { kind, id, sandboxID, pid, pod, container } = target;
  return {
    kind,
    id,
    sandboxID,
    pid,
    spec: specs.specOf(target, parent),
    pod: `${pod.namespace}/${pod.name}`,
    ...(container === undefined ? {} : { container: container.name }),
  };
}

function logFields({ id, pod, container }: Created): object {
  return { id, pod, ...(container === undefined ? {} : { container }) };
}
