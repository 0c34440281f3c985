import { setTimeout as sleep } from "node:timers/promises";
import { type Deadline, within } from "../base/deadline.js";
import { attempt } from "../base/errors.js";
import { fileStamp } from "../base/files.js";
import { blockedReads, readLink } from "../host/proc.js";
import type { StartFault } from "./spawner.js";
import type { StartCommand, Started, Starter } from "./start.js";

/** A plugin that has just been started comes to its read by then. */
const proofMs = 50;
/** A machine may be busy, and an interpreter's files not in memory yet. */
const mostProofs = 3;
/** A process is there long before that, or the thread that starts it waits for something else. */
const startMs = 500;
/** No process waits for longer: it may hold a lock that the plugin before it in the chain waits for, or limit its own wait. */
const mostWaitMs = 500;
/** Of a run's time, at most this is waited for either. */
const share = 0.1;

/**
 * A starter that also starts plugins while their requests are made: what a process does before it reads its stdin then costs the
 * call nothing. It is for those alone that are known to wait for their request first, since one that is not needed is killed.
 */
export class EarlyStarts implements Starter {
  /**
   * By argv[0]: the file, in how many runs it did not come to its read in time, null when it did, and how many of its processes
   * in a row waited for too long.
   */
  private readonly known = new Map<
    string,
    { readonly file: string; readonly failed: number | null; overdue: number }
  >();

  /** One at a time: the threads in which processes are started may all wait for a disk. */
  private starting = false;

  constructor(private readonly starter: Starter) {}

  startEarly(command: StartCommand): EarlyStart | undefined {
    const known = this.known.get(command.argv0);
    if (this.starting || known?.failed !== null || known.overdue >= mostProofs) return undefined;
    const { file } = known;
    if (command.startAhead !== 0 || fileOf(command) !== file) return undefined;
    this.starting = true;
    const starting = this.starter.start(command).finally(() => {
      this.starting = false;
    });
    return new EarlyStart(command, file, starting, known);
  }

  /** The request of a new file is held until its process waits for it, to know that. */
  async start(command: StartCommand): Promise<Started | StartFault> {
    const file = fileOf(command);
    const before = this.known.get(command.argv0);
    const failed = before?.file === file ? before.failed : 0;
    const started = await this.starter.start(command);
    if (command.startAhead !== 0 || failed === null || failed >= mostProofs || "code" in started) return started;
    const { pid, process } = started;
    return {
      pid,
      abandon: () => started.abandon(),
      give: async (request, options) => {
        const until = atMost(proofMs, options.terminateAt);
        const ended = process?.exited.then(() => false) ?? new Promise<never>(() => {});
        const isWaiting = await Promise.race([waitsForStdin(pid, until), ended]);
        const isProven = isWaiting && fileOf(command) === file;
        this.known.set(command.argv0, { file, failed: isProven ? null : failed + 1, overdue: 0 });
        return started.give(request, options);
      },
    };
  }

  close(): Promise<void> {
    return this.starter.close();
  }
}

/** A process that waits for a request which is still being made. */
export class EarlyStart {
  private over = false;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly command: StartCommand,
    private readonly file: string,
    private readonly starting: Promise<Started | StartFault>,
    private readonly waits: { overdue: number },
  ) {
    const end = () => {
      waits.overdue += 1;
      this.abandon();
    };
    this.timer = setTimeout(end, mostWaitMs).unref();
    void starting.then((started) => {
      if (!("code" in started)) void started.process?.exited.then(() => this.abandon());
    });
  }

  /** It, for its command and the file that it was; null when it is ended, and a process is to be started with the request. */
  async take(command: StartCommand, terminateAt: Deadline): Promise<Started | null> {
    const started = await this.startedFor(command, terminateAt);
    if (started === null) this.abandon();
    else {
      this.settle();
      this.waits.overdue = 0;
    }
    return started;
  }

  private async startedFor(command: StartCommand, terminateAt: Deadline): Promise<Started | null> {
    // What was executed is only known when the file was the same before and after.
    if (this.over || command.path !== this.command.path || fileOf(command) !== this.file) return null;
    const started = await within(atMost(startMs, terminateAt), this.starting, () => null);
    if (this.over || started === null || "code" in started || started.process?.hasEnded()) return null;
    return started;
  }

  /** Ends it without a request, where it was not taken. */
  abandon(): void {
    if (this.over) return;
    this.settle();
    void this.starting.then((started) => ("code" in started ? undefined : started.abandon()));
  }

  private settle(): void {
    this.over = true;
    clearTimeout(this.timer);
  }
}

function atMost(ms: number, terminateAt: Deadline): Deadline {
  return terminateAt.within(Math.min(ms, terminateAt.remainingMs() * share));
}

function fileOf({ path }: StartCommand): string {
  return `${path} ${attempt(() => fileStamp(path))}`;
}

/** Whether a process comes to a read of the stdin that it was given, which has no name. */
async function waitsForStdin(pid: number, until: Deadline): Promise<boolean> {
  while (!blockedReads(pid, "/proc").includes(0)) {
    if (until.expired) return false;
    await sleep(1);
  }
  return /^(pipe|socket):/.test(readLink(`/proc/${pid}/fd/0`) ?? "");
}
