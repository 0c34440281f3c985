import { existsSync } from "node:fs";
import { appendFile, rename, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { makeDirectory } from "../../base/files.js";
import { version } from "../../base/version.js";
import type { RunReport } from "../../bridge/chain.js";
import type { NriEvent } from "../../nri/events.js";
import type { CallContext, RuntimeInfo } from "../../nri/handlers.js";
import { requestToJson } from "../../nri/json.js";
import { formatVersion, hasFeature } from "../../nri/versions.js";
import type { CallAnswer } from "../../nri/watch-calls.js";
import { answerLine, runLine } from "../replay/report.js";
import type { Redactor } from "./redactor.js";

interface CaseFacts {
  readonly pod: string;
  readonly runtime: RuntimeInfo;
  readonly recordedBy: "record" | "run";
  readonly startedAt: Date;
}

/** Writes the case folder of one pod, in the format of fixtures/README.md. */
export class CaseWriter {
  eventCount = 0;
  /** Whether the runtime has removed the pod, after which no event follows. */
  complete = false;
  private dialect: "state-change" | "dedicated";
  private lastConf: Uint8Array | null | undefined;
  private readonly confs: { readonly fromEvent: number; readonly file: string }[] = [];
  private readonly invocations: object[] = [];
  private readonly bundles = new Set<string>();

  constructor(
    readonly folder: string,
    readonly facts: CaseFacts,
    private readonly files: FileQueue,
    readonly redactor: Redactor,
  ) {
    this.dialect = hasFeature(facts.runtime.nri, "ownCalls") ? "dedicated" : "state-change";
  }

  /** Writes the conf.json that is in force from the next event on, if it has changed; null: there is no conf.json. */
  conf(bytes: Uint8Array | null): void {
    const { lastConf } = this;
    if (bytes === null || !lastConf ? bytes === lastConf : Buffer.compare(bytes, lastConf) === 0) return;
    this.lastConf = bytes;
    const file = this.confs.length === 0 ? "conf.json" : `conf-${this.confs.length + 1}.json`;
    this.confs.push({ fromEvent: this.eventCount + 1, file });
    // Without a conf.json write no file, so that the replay finds none either.
    if (bytes !== null) this.put(file, this.redactor.conf(bytes));
    this.describe();
  }

  call(call: Pick<CallContext, "method" | "payload" | "timeoutNano" | "metadata">): void {
    const payload = this.redactor.payload(call.method, call.payload);
    if (payload === undefined) return;
    if (call.method === "StateChange") this.dialect = "state-change";
    const line = JSON.stringify({
      method: call.method,
      timeoutNano: String(call.timeoutNano),
      metadata: this.redactor.metadata(call.metadata).map(([key, value]) => ({ key, value })),
      payloadBase64: Buffer.from(payload).toString("base64"),
      body: requestToJson(call.method, payload),
      atMs: Date.now() - this.facts.startedAt.getTime(),
    });
    this.put("events.jsonl", `${line}\n`);
    this.eventCount += 1;
    if (this.eventCount === 1) this.describe();
  }

  hasBundle(name: string): boolean {
    return this.bundles.has(name);
  }

  bundle(name: string, bytes: Uint8Array): void {
    this.bundles.add(name);
    this.put(`bundles/${toFileName(name)}.json`, this.redactor.bundle(bytes));
  }

  /** Writes a plugin run: the request, what the plugin printed, and the line of `replay --json` for the run. */
  run(report: RunReport): void {
    const { call, run } = report;
    const { redactor } = this;
    const { plugin, state } = run;
    const who = call.target.kind;
    const number = String(this.invocations.length + 1).padStart(2, "0");
    const name = `${number}-${toFileName(plugin)}-${toFileName(state)}-${who}`;
    const request = redactor.request(run.request);
    const stdout = redactor.output(run.stdout);
    const stdoutBytes = redactor.redacts ? Buffer.from(stdout) : run.stdoutBytes;
    const stderr = run.stderr.map((line) => redactor.output(line));
    const error = run.error === null ? null : redactor.output(run.error);
    const told = { ...run, request, stdout, stdoutBytes, stderr, error };
    this.invocations.push({ plugin, state, who, request: `${name}.request.json` });
    this.put(`expected/runs/${name}.request.json`, request);
    this.put(`expected/runs/${name}.stdout`, stdoutBytes);
    this.put("expected/lines.jsonl", `${JSON.stringify(runLine({ ...report, run: told }))}\n`);
    this.describe();
  }

  answer(event: NriEvent, { response, error, durationMs }: CallAnswer): void {
    const line = answerLine({ event, outcome: { durationMs, ...(error === undefined ? {} : { error }) }, response });
    this.put("expected/lines.jsonl", `${this.redactor.output(JSON.stringify(line))}\n`);
  }

  end(): void {
    this.complete = true;
    this.describe();
  }

  /** Writes case.json with the present facts. It does not count towards the size limit: the case is useless without it. */
  describe(): void {
    this.files.rewrite(join(this.folder, "case.json"), () => `${JSON.stringify(this.about(), null, 1)}\n`);
  }

  private about(): object {
    const { pod, runtime, recordedBy, startedAt } = this.facts;
    const { complete, redactor, confs, invocations, dialect } = this;
    const of = `${runtime.name} ${runtime.version}`;
    return {
      title: `pod ${pod} on ${of}${complete ? "" : ", incomplete"}`,
      source: {
        events: `recorded on ${of} by nri-v01-bridge ${version} (${recordedBy}), ${startedAt.toISOString()}`,
        ...(invocations.length > 0 ? { expected: "what the bridge sent its plugins then, and what they printed" } : {}),
      },
      runtime: { name: runtime.name, version: runtime.version, nri: formatVersion(runtime.nri), dialect },
      redacted: redactor.redacts,
      complete,
      confs,
      invocations,
    };
  }

  private put(file: string, content: Uint8Array | string): void {
    this.files.append(join(this.folder, file), Buffer.from(content));
  }
}

/** The path of a folder below `out` that does not exist yet: an earlier recording of the same pod stays as it is. */
export function freeFolder(out: string, name: string): string {
  const folder = resolve(out, toFileName(name));
  let free = folder;
  for (let number = 2; existsSync(free); number++) free = `${folder}-${number}`;
  return free;
}

/** Makes a name safe as a part of a path: users choose the names of plugins and pods. */
function toFileName(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9._-]+/g, "_").replace(/^\.+/, "_");
  return plain.slice(0, 100) || "_";
}

/** Writes files one after another in the background: no event waits for a disk. Stops writing at the first fault. */
export class FileQueue {
  private tail: Promise<void> = Promise.resolve();
  private readonly rewriting = new Set<string>();
  private hasFault = false;
  private written = 0;

  /**
   * @param limit the most bytes that `append` writes to all files together
   * @param onFault called once, when the limit is reached, the disk is full or a folder cannot be written to
   */
  constructor(
    private readonly limit: number,
    private readonly onFault: (error: unknown) => void,
  ) {}

  append(path: string, bytes: Uint8Array): void {
    this.add(path, async () => {
      this.written += bytes.length;
      if (this.written > this.limit) throw new Error(`the recording reached its limit of ${this.limit} bytes`);
      await appendFile(path, bytes, { mode: 0o600 });
    });
  }

  /** Replaces a file as a whole. Calls `content` when the write's turn comes, so that one write serves all requests made before. */
  rewrite(path: string, content: () => string): void {
    if (this.rewriting.has(path)) return;
    this.rewriting.add(path);
    this.add(path, async () => {
      this.rewriting.delete(path);
      await writeFile(`${path}.new`, content(), { mode: 0o600 });
      await rename(`${path}.new`, path);
    });
  }

  async flush(): Promise<void> {
    await this.tail;
  }

  private add(path: string, work: () => Promise<unknown>): void {
    this.tail = this.tail.then(async () => {
      if (this.hasFault) return;
      try {
        makeDirectory(dirname(path), 0o700);
        await work();
      } catch (error) {
        this.hasFault = true;
        this.onFault(error);
      }
    });
  }
}
