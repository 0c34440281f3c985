import { closeSync, constants, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { attempt, errorText } from "../base/errors.js";
import { readRegularFile } from "../base/files.js";
import type { Log } from "../base/logger.js";
import type { Host } from "../host/host.js";
import type { ProcessIdentity } from "../host/proc.js";
import { whyUntrusted } from "./directory.js";

/** Most plugins have ended by then: there is nothing of them for the next bridge to end. */
const noteAfterMs = 5;
/** Bytes of a line with its end: a line of another length would move those after it. */
const lineBytes = 160;

/**
 * The plugins that run at this moment, kept in the state directory: a bridge that is killed cannot end them when their
 * time is over, and one that hangs or is stopped would stay for ever. The next bridge ends those that are still there.
 *
 * One line of fixed length for each, written over when the run has ended; the file goes when the bridge does.
 *
 *   4711 1827364 6a1b9c1e-... pid:[4026531836]      pid, start time, boot, pid namespace; then blanks
 */
export class RunningPlugins {
  private readonly lines: (ProcessIdentity | undefined)[] = [];
  private file: { readonly path: string; readonly fd: number } | undefined;

  constructor(
    private readonly options: {
      readonly host: Pick<Host, "identify" | "liveness">;
      /** Ends a process and its group. */
      readonly end: (pid: number) => void;
      readonly log: Log;
    },
  ) {}

  /** Ends what an earlier bridge left, and keeps the file in this directory from now on. The directory is ours alone. */
  open(directory: string): void {
    if (this.file !== undefined) return;
    const path = join(directory, "running");
    try {
      if (whyUntrusted(path) === null) this.endLeft(path);
      rmSync(path, { force: true });
      this.file = { path, fd: openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600) };
      for (const index of this.lines.keys()) this.write(index);
    } catch (error) {
      this.options.log.debug(
        { path, error: errorText(error) },
        "cannot write the list of running plugins: the bridge keeps the list in memory only",
      );
    }
  }

  /** Notes a process that was started, until it has ended. */
  began(pid: number, exited: Promise<unknown>): void {
    const timer = setTimeout(() => {
      const free = this.lines.indexOf(undefined);
      const index = free < 0 ? this.lines.length : free;
      this.lines[index] = this.options.host.identify(pid);
      this.write(index);
      const ended = () => {
        this.lines[index] = undefined;
        this.write(index);
      };
      // No answer waits for it: a process that has ended need not be ended.
      void exited.then(() => setImmediate(ended));
    }, noteAfterMs);
    void exited.then(() => clearTimeout(timer));
  }

  /** Removes the file: what runs now ends by itself or in time. */
  close(): void {
    if (this.file === undefined) return;
    closeSync(this.file.fd);
    rmSync(this.file.path, { force: true });
    this.file = undefined;
  }

  private endLeft(path: string): void {
    const { host, end, log } = this.options;
    const text = attempt(() => readRegularFile(path).toString("latin1")) ?? "";
    for (const identity of text.split("\n").flatMap(parseIdentity)) {
      if (host.liveness(identity) !== "alive") continue;
      log.warn({ process: identity.pid }, "killing a plugin process that an earlier bridge left running");
      // It may have ended meanwhile.
      attempt(() => end(identity.pid));
    }
  }

  private write(index: number): void {
    if (this.file === undefined) return;
    const { pid, startTime, bootId, pidNamespace } = this.lines[index] ?? {};
    const text = startTime === undefined ? "" : [pid, startTime, bootId, pidNamespace].join(" ");
    const { fd } = this.file;
    // A full disk: the journal says so.
    attempt(() => writeSync(fd, `${text.padEnd(lineBytes - 1)}\n`, index * lineBytes));
  }
}

function parseIdentity(line: string): ProcessIdentity[] {
  const [, pid, startTime, bootId = "", pidNamespace = ""] = /^(\d+) (\d+) (\S*) (\S*) *$/.exec(line) ?? [];
  return startTime === undefined ? [] : [{ pid: Number(pid), startTime, bootId, pidNamespace }];
}
