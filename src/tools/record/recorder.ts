import { accessSync, constants, existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { attempt, BridgeError, errorText, fileFault } from "../../base/errors.js";
import { makeDirectory, readRegularFile } from "../../base/files.js";
import type { Log } from "../../base/logger.js";
import { version } from "../../base/version.js";
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
import { CaseWriter, FileQueue, toFileName } from "./case-writer.js";
import { createRedactor, openRedactor } from "./redactor.js";

export interface RecorderOptions {
  /** The folder of the cases; one folder for each pod is made in it. */
  readonly out: string;
  readonly confFile: string;
  readonly host: Pick<Host, "readBundles">;
  readonly recordedBy: "record" | "run";
  readonly redact: boolean;
  readonly keepAnnotation?: (key: string) => boolean;
  /** Which pods; all when not given. */
  readonly wants?: (pod: PodSandbox) => boolean;
  readonly limits: RecorderLimits;
  readonly version: string;
  readonly log: Log;
  /** Told when a pod came to its end, or the recording did. */
  readonly onCase?: (recorded: RecordedCase) => void;
}

interface RecorderLimits {
  readonly pods: number;
  /** Of all files together. */
  readonly bytes: number;
}

export const defaultRecorderLimits: RecorderLimits = { pods: 10, bytes: 64 * 1024 * 1024 };

/** What was recorded of one pod. */
export interface RecordedCase {
  readonly folder: string;
  readonly pod: string;
  readonly events: number;
  readonly complete: boolean;
  /** A limit was met. */
  readonly truncated: boolean;
  /** Why it could not be written to its end; null where it was. */
  readonly fault: string | null;
}

interface OpenCase {
  readonly writer: CaseWriter;
  readonly pod: string;
  /** The conf.json that the case knows; null where there was none. */
  conf?: Uint8Array | null;
}

/** Notes that wait to be taken down; more than this means that we cannot keep up, and the rest is let go. */
const mostWaiting = 10_000;

/**
 * Writes what a runtime sends, and what plugins made of it, as one replayable case for each pod. It watches only: what it
 * has to read and write is done after the call has gone on its way, and a fault of its own ends the recording alone.
 */
export class Recorder {
  /** Resolves when as many pods as are wanted came to their end. */
  readonly done: Promise<void>;
  private readonly cases = new Map<string, OpenCase>();
  private readonly waiting: (() => void)[] = [];
  private readonly files: FileQueue;
  private runtime: RuntimeInfo | undefined;
  /** What was there when we came, until its first event. */
  private present = new Map<string, { readonly pod: PodSandbox; readonly containers: readonly Container[] }>();
  private finish: () => void = () => {};
  private closed = false;
  private readonly telling: Promise<void>[] = [];
  private fault: string | null = null;

  constructor(private readonly options: RecorderOptions) {
    this.done = new Promise((resolve) => {
      this.finish = resolve;
    });
    this.files = new FileQueue(options.limits.bytes, (error) => {
      this.fault = errorText(error);
      options.log.error({ out: options.out, error: errorText(error) }, "the recording ends: it cannot be written");
      this.finish();
    });
  }

  /** To be told of the runtime's calls. */
  readonly watcher: CallWatcher = {
    readsAll: true,
    configured: (runtime) => {
      this.runtime = runtime;
    },
    synchronizing: (pods, containers) => {
      const wanted = this.options.wants ?? (() => true);
      this.present = new Map(
        pods
          .filter(wanted)
          .map((pod) => [
            pod.id,
            { pod, containers: containers.filter(({ podSandboxId }) => podSandboxId === pod.id) },
          ]),
      );
    },
    began: (event, call) => this.later(() => this.note(event, call)),
    ended: (event, _call, answer) =>
      this.later(() => {
        const known = this.cases.get(event.pod.id);
        known?.writer.answer(event, answer);
        if (known === undefined || event.name !== "RemovePodSandbox") return;
        known.writer.end();
        this.tell(known);
        const complete = [...this.cases.values()].filter(({ writer }) => writer.complete).length;
        if (complete >= this.options.limits.pods) this.finish();
      }),
  };

  /** A plugin ran for one of the pods. */
  ran(report: RunReport): void {
    this.later(() => this.cases.get(report.call.request.sandboxID)?.writer.run(report));
  }

  /** Takes nothing more, and resolves when what was taken is written. */
  async close(): Promise<readonly RecordedCase[]> {
    this.takeDown();
    this.closed = true;
    for (const known of this.cases.values()) {
      if (known.writer.complete) continue;
      known.writer.describe();
      this.tell(known);
    }
    await this.files.flush();
    await Promise.all(this.telling);
    return [...this.cases.values()].map((known) => this.summaryOf(known));
  }

  /** Tells of a case when it is on the disk, or could not be put there. */
  private tell(known: OpenCase): void {
    this.telling.push(this.files.flush().then(() => this.options.onCase?.(this.summaryOf(known))));
  }

  private summaryOf({ writer, pod }: OpenCase): RecordedCase {
    const { folder, eventCount, complete, truncated } = writer;
    const { fault } = this;
    return { folder, pod, events: eventCount, complete, truncated: truncated && fault === null, fault };
  }

  private later(work: () => void): void {
    if (this.closed || this.waiting.length >= mostWaiting) return;
    this.waiting.push(work);
    if (this.waiting.length === 1) setImmediate(() => this.takeDown());
  }

  private takeDown(): void {
    for (const work of this.waiting.splice(0)) {
      try {
        work();
      } catch (error) {
        this.options.log.error({ error: errorText(error) }, "a part of the recording is lost");
      }
    }
  }

  private note(event: NriEvent, call: CallContext): void {
    const known = this.cases.get(event.pod.id) ?? this.open(event.pod);
    if (known === undefined) return;
    const { writer } = known;
    const conf = readConf(this.options.confFile);
    if (known.conf === undefined || !isSame(conf, known.conf)) writer.conf(conf);
    known.conf = conf;
    if ("container" in event) writer.redactor.knowAsPlain([event.container.name, event.container.id]);
    writer.call(call);
    this.noteBundle(writer, podTarget(event.pod));
    if ("container" in event) this.noteBundle(writer, containerTarget(event.pod, event.container));
  }

  private open(pod: PodSandbox): OpenCase | undefined {
    const { options, runtime } = this;
    const { out, limits, recordedBy, version } = options;
    if (runtime === undefined || this.cases.size >= limits.pods || options.wants?.(pod) === false) return undefined;
    const name = `${pod.namespace}/${pod.name}`;
    const redactor = options.redact ? createRedactor(options.keepAnnotation) : openRedactor;
    redactor.knowAsPlain([pod.name, pod.namespace, pod.uid, pod.id]);
    const folder = freeFolder(join(out, toFileName(`${pod.namespace}_${pod.name}_${pod.id.slice(0, 12)}`)));
    const facts = { pod: name, runtime, recordedBy, version, startedAt: new Date() };
    const known: OpenCase = { writer: new CaseWriter(folder, facts, this.files, redactor), pod: name };
    this.cases.set(pod.id, known);
    this.notePresent(known.writer, pod.id);
    return known;
  }

  /** A pod that was there before us: the case begins with what the runtime said of it when it synchronized us. */
  private notePresent(writer: CaseWriter, id: string): void {
    const present = this.present.get(id);
    this.present.delete(id);
    if (present === undefined) return;
    const { pod, containers } = present;
    writer.redactor.knowAsPlain(containers.flatMap(({ name, id: its }) => [name, its]));
    const payload = synchronizeRequest.encode({ pods: [pod], containers: [...containers], more: false });
    writer.call({ method: "Synchronize", payload, timeoutNano: 0n, metadata: [] });
    this.noteBundle(writer, podTarget(pod));
    for (const container of containers) this.noteBundle(writer, containerTarget(pod, container));
  }

  private noteBundle(writer: CaseWriter, target: Target): void {
    const { container, id } = target;
    const name = container === undefined ? "pod" : `ctr-${container.name}-${id.slice(0, 12)}`;
    if (writer.hasBundle(name)) return;
    for (const answer of this.options.host.readBundles(target)) {
      const own = answer.found ? findBundle([answer], target.cgroupsPath) : undefined;
      if (own === undefined) continue;
      writer.bundle(name, own.bytes);
      return;
    }
  }
}

/** An earlier recording of the same pod stays as it is. */
function freeFolder(folder: string): string {
  let free = folder;
  for (let number = 2; existsSync(free); number++) free = `${folder}-${number}`;
  return free;
}

function isSame(one: Uint8Array | null, other: Uint8Array | null): boolean {
  return one === null || other === null ? one === other : Buffer.compare(one, other) === 0;
}

/** conf.json as it is; null where there is no file, or none that can be read. */
export function readConf(path: string): Uint8Array | null {
  return attempt(() => readRegularFile(path)) ?? null;
}

/** What the command line says of a recording. */
export type RecordSettings = Pick<RecorderOptions, "out" | "redact" | "limits" | "keepAnnotation" | "wants">;

/** The flags that shape a recording, as they are parsed. */
export interface RecordFlags {
  readonly pods?: number;
  readonly pod?: readonly string[];
  readonly maxBytes?: number;
  readonly keepAnnotation?: readonly string[];
  readonly redact?: boolean;
}

export function recordSettings(out: string, flags: RecordFlags = {}): RecordSettings {
  if (out === "") throw new BridgeError("USAGE", "the folder of a recording is the empty path; name one");
  const pods = patternsOf(flags.pod);
  const annotations = patternsOf(flags.keepAnnotation);
  return {
    out: resolve(out),
    redact: flags.redact ?? true,
    limits: {
      pods: flags.pods ?? defaultRecorderLimits.pods,
      bytes: flags.maxBytes ?? defaultRecorderLimits.bytes,
    },
    keepAnnotation: (key) => annotations.some((matches) => matches(key)),
    wants: ({ namespace, name }: PodSandbox) =>
      pods.length === 0 || pods.some((matches) => matches(`${namespace}/${name}`)),
  };
}

/**
 * Makes the folder of a recording, so that nothing is recorded for a day and then cannot be written.
 * @throws BridgeError USAGE that says why it cannot be used
 */
export function makeOutFolder({ out }: RecordSettings, flag: string): void {
  try {
    if (kindOf(out) === "file") throw new BridgeError("USAGE", `${out}: it is a file; name a folder`);
    makeDirectory(out, 0o700);
    accessSync(out, constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = error instanceof BridgeError ? error.message : `${out}: ${fileFault(error)}`;
    throw new BridgeError("USAGE", `${flag}: ${why}`);
  }
}

/** A recorder on this node. */
export function createNodeRecorder(
  settings: RecordSettings,
  recordedBy: RecorderOptions["recordedBy"],
  confFile: string,
  log: Log,
  onCase?: (recorded: RecordedCase) => void,
): Recorder {
  const told = onCase ?? ((recorded: RecordedCase) => log.info(recorded, "a pod was recorded"));
  return new Recorder({ ...settings, recordedBy, confFile, version, log, host: createNodeHost(), onCase: told });
}

function patternsOf(patterns: readonly string[] = []): readonly ((text: string) => boolean)[] {
  return patterns.map((pattern) => {
    const start = pattern.slice(0, -1);
    return pattern.endsWith("*") ? (text) => text.startsWith(start) : (text) => text === pattern;
  });
}
