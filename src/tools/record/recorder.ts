import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { attempt, BridgeError, errorText, fileFault } from "../../base/errors.js";
import { makeDirectory, readRegularFile } from "../../base/files.js";
import type { Log } from "../../base/logger.js";
import type { RunReport } from "../../bridge/chain.js";
import { createNodeHost, type Host } from "../../host/host.js";
import { synchronizeRequest } from "../../nri/codec.js";
import type { NriEvent } from "../../nri/events.js";
import type { CallContext, RuntimeInfo } from "../../nri/handlers.js";
import type { Container, PodSandbox } from "../../nri/types.js";
import type { CallWatcher } from "../../nri/watch-calls.js";
import { findBundle } from "../../v01/bundle.js";
import { containerTarget, podTarget, type Target } from "../../v01/to-v01.js";
import { kindOf } from "../replay/case.js";
import { CaseWriter, FileQueue, freeFolder } from "./case-writer.js";
import { createRedactor, openRedactor } from "./redactor.js";

export interface RecordSettings {
  /** The folder of the cases; the recorder makes a folder for each pod in it. */
  readonly out: string;
  readonly redact?: boolean;
  /** The names of annotations that the recorder does not mask; a * at the end stands for any rest. */
  readonly keepAnnotation?: readonly string[];
  /** The pods to record, as namespace/name, where a * at the end stands for any rest; the default is all. */
  readonly pod?: readonly string[];
  /** The most pods to record. */
  readonly pods?: number;
}

export interface RecorderOptions extends RecordSettings {
  readonly confFile: string;
  readonly host?: Pick<Host, "readBundles">;
  /** `run` when the recording bridge also runs the plugins; `record` when it runs none. */
  readonly recordedBy: "record" | "run";
  /** The most bytes of all files together. */
  readonly bytes?: number;
  readonly log: Log;
  /** Called for a pod when the pod is removed or the recording ends. Without it, the recorder logs the case. */
  readonly onCase?: ((recorded: RecordedCase) => void) | undefined;
}

export const usualPods = 10;
const usualBytes = 64 * 1024 * 1024;

export interface RecordedCase {
  readonly folder: string;
  readonly pod: string;
  readonly events: number;
  readonly complete: boolean;
  /** Why the recorder could not write the whole case; null when it could. */
  readonly fault: string | null;
}

/**
 * Writes a replayable case for each pod. It reads and writes after the turn in which a call came, so that no call waits. A fault of
 * the recorder ends only the recording.
 */
export class Recorder {
  /** Resolves when as many pods as wanted have been removed, or when the recording cannot be written. */
  readonly done: Promise<void>;
  private readonly cases = new Map<string, CaseWriter>();
  private readonly waiting: (() => void)[] = [];
  private readonly files: FileQueue;
  private readonly host: Pick<Host, "readBundles">;
  private readonly mostPods: number;
  private runtime: RuntimeInfo | undefined;
  /** The pods of the runtime's latest Synchronize, by id, with their containers: they existed before the recording. */
  private present: ReadonlyMap<string, { readonly pod: PodSandbox; readonly containers: readonly Container[] }> =
    new Map();
  private finish: () => void = () => {};
  private closed = false;
  private readonly telling: Promise<void>[] = [];
  private fault: string | null = null;

  constructor(private readonly options: RecorderOptions) {
    const { out, log, host = createNodeHost(), pods = usualPods, bytes = usualBytes } = options;
    this.host = host;
    this.mostPods = pods;
    this.done = new Promise((resolve) => {
      this.finish = resolve;
    });
    this.files = new FileQueue(bytes, (error) => {
      this.fault = errorText(error);
      log.error({ out, error: this.fault }, "the recording stopped, as the recorder cannot write the case files");
      this.finish();
    });
  }

  /** Observes the runtime's calls. */
  readonly watcher: CallWatcher = {
    readsAll: true,
    configured: (runtime) => {
      this.runtime = runtime;
    },
    synchronizing: (pods, containers) => {
      const ofPod = (id: string) => containers.filter(({ podSandboxId }) => podSandboxId === id);
      this.present = new Map(pods.map((pod) => [pod.id, { pod, containers: ofPod(pod.id) }]));
    },
    began: (event, call) => this.later(() => this.note(event, call)),
    ended: (event, _call, answer) =>
      this.later(() => {
        const writer = this.cases.get(event.pod.id);
        writer?.answer(event, answer);
        if (writer === undefined || event.name !== "RemovePodSandbox") return;
        writer.end();
        this.tell(writer);
        const complete = [...this.cases.values()].filter((one) => one.complete).length;
        if (complete >= this.mostPods) this.finish();
      }),
  };

  ran(report: RunReport): void {
    this.later(() => this.cases.get(report.call.request.sandboxID)?.run(report));
  }

  /** Stops recording, and resolves when everything recorded so far is written. */
  async close(): Promise<readonly RecordedCase[]> {
    this.takeDown();
    this.closed = true;
    const writers = [...this.cases.values()];
    for (const writer of writers.filter(({ complete }) => !complete)) {
      writer.describe();
      this.tell(writer);
    }
    await this.files.flush();
    await Promise.all(this.telling);
    return writers.map((writer) => this.summaryOf(writer));
  }

  /** Reports a case once it is on the disk, or once writing it has failed. */
  private tell(writer: CaseWriter): void {
    const { log, onCase = (recorded) => log.info(recorded, "the recorder wrote the case of a pod") } = this.options;
    this.telling.push(this.files.flush().then(() => onCase(this.summaryOf(writer))));
  }

  private summaryOf({ folder, facts: { pod }, eventCount: events, complete }: CaseWriter): RecordedCase {
    return { folder, pod, events, complete, fault: this.fault };
  }

  private later(work: () => void): void {
    if (this.closed) return;
    this.waiting.push(work);
    if (this.waiting.length === 1) setImmediate(() => this.takeDown());
  }

  private takeDown(): void {
    for (const work of this.waiting.splice(0)) {
      try {
        work();
      } catch (error) {
        this.options.log.error({ error: errorText(error) }, "the recorder failed: a part of the recording is missing");
      }
    }
  }

  private note(event: NriEvent, call: CallContext): void {
    const writer = this.cases.get(event.pod.id) ?? this.open(event.pod);
    if (writer === undefined) return;
    writer.conf(readConf(this.options.confFile));
    if ("container" in event) writer.redactor.knowAsPlain([event.container.name, event.container.id]);
    writer.call(call);
    this.noteBundle(writer, podTarget(event.pod));
    if ("container" in event) this.noteBundle(writer, containerTarget(event.pod, event.container));
  }

  private open(pod: PodSandbox): CaseWriter | undefined {
    const { runtime, options } = this;
    const { out, recordedBy, redact = true, keepAnnotation = [], pod: wanted = ["*"] } = options;
    const name = `${pod.namespace}/${pod.name}`;
    if (runtime === undefined || this.cases.size >= this.mostPods || !matches(wanted, name)) return undefined;
    const redactor = redact ? createRedactor((key) => matches(keepAnnotation, key)) : openRedactor;
    redactor.knowAsPlain([pod.name, pod.namespace, pod.uid, pod.id]);
    const folder = freeFolder(out, `${pod.namespace}_${pod.name}_${pod.id.slice(0, 12)}`);
    const facts = { pod: name, runtime, recordedBy, startedAt: new Date() };
    const writer = new CaseWriter(folder, facts, this.files, redactor);
    this.cases.set(pod.id, writer);
    const present = this.present.get(pod.id);
    if (present !== undefined) this.notePresent(writer, present.pod, present.containers);
    return writer;
  }

  /** Begins the case of a pod that existed before the recording with the pod's part of the runtime's Synchronize. */
  private notePresent(writer: CaseWriter, pod: PodSandbox, containers: readonly Container[]): void {
    writer.redactor.knowAsPlain(containers.flatMap(({ name, id }) => [name, id]));
    const payload = synchronizeRequest.encode({ pods: [pod], containers: [...containers], more: false });
    writer.call({ method: "Synchronize", payload, timeoutNano: 0n, metadata: [] });
    this.noteBundle(writer, podTarget(pod));
    for (const container of containers) this.noteBundle(writer, containerTarget(pod, container));
  }

  private noteBundle(writer: CaseWriter, target: Target): void {
    const { container, id } = target;
    const name = container === undefined ? "pod" : `ctr-${container.name}-${id.slice(0, 12)}`;
    if (writer.hasBundle(name)) return;
    const answers = [...this.host.readBundles(target)].flatMap((answer) => (answer.found ? [answer] : []));
    const found = findBundle(answers, target.cgroupsPath);
    if (found !== undefined) writer.bundle(name, found.bytes);
  }
}

function matches(patterns: readonly string[], text: string): boolean {
  return patterns.some((pattern) => (pattern.endsWith("*") ? text.startsWith(pattern.slice(0, -1)) : text === pattern));
}

/** The bytes of conf.json; null when there is no file, or it cannot be read. */
export function readConf(path: string): Uint8Array | null {
  return attempt(() => readRegularFile(path)) ?? null;
}

/**
 * Makes the folder of the cases before the recording begins.
 * @throws BridgeError USAGE when it is a file, or the folder cannot be made or written to
 */
export function makeOutFolder(folder: string, flag: string): void {
  const out = resolve(folder);
  try {
    if (kindOf(out) === "file") throw new BridgeError("USAGE", `${out}: this is a file; name a folder`);
    makeDirectory(out, 0o700);
    accessSync(out, constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = error instanceof BridgeError ? error.message : `${out}: ${fileFault(error)}`;
    throw new BridgeError("USAGE", `${flag}: ${why}`);
  }
}
