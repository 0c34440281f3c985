import { closeSync, constants, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { attempt, errorText } from "../base/errors.js";
import { readRegularFile } from "../base/files.js";
import type { Log } from "../base/logger.js";
import type { Host } from "../host/host.js";
import type { ProcessIdentity } from "../host/proc.js";
import { whyUntrusted } from "./directory.js";

/**
 * A plugin is noted this long after its start, in milliseconds: most have ended by then, and the next bridge need not end those.
 */
const noteAfterMs = 5;
/** The bytes of each line with its line feed. All lines have the same length, so that one can be overwritten in place. */
const lineBytes = 160;

/**
 * The list of the plugins that run at this moment, in a file of the state directory. A bridge that is killed cannot end
 * its plugins at their time limits, so a plugin that hangs or is stopped would stay for ever. The next bridge ends
 * those that still run.
 *
 * The file has one line of fixed length for each plugin, which the bridge overwrites when the run has ended. The bridge
 * removes the file when it ends itself.
 *
 *   4711 1827364 6a1b9c1e-... pid:[4026531836]      pid, start time, boot, pid namespace; then blanks
 */
export class RunningPlugins {
  private readonly lines: (ProcessIdentity | undefined)[] = [];
  private file: { readonly path: string; readonly fd: number } | undefined;

  constructor(
    private readonly options: {
      readonly host: Pick<Host, "identify" | "liveness">;
      /** Ends a process and its process group. */
      readonly end: (pid: number) => void;
      readonly log: Log;
    },
  ) {}

  /**
   * Ends the plugins that an earlier bridge left, and keeps the file in `directory` from now on. The bridge must hold the
   * directory's lock.
   */
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
        "the bridge cannot write its list of running plugins, and keeps it in memory only",
      );
    }
  }

  /** Notes a process that the bridge has started, until the process has ended. */
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
      // Overwrites the line only after other work of this turn: the answer to the runtime need not wait for this.
      void exited.then(() => setImmediate(ended));
    }, noteAfterMs);
    void exited.then(() => clearTimeout(timer));
  }

  /** Removes the file: plugins that still run end by themselves, or this bridge ends them at their time limits. */
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
      log.warn({ process: identity.pid }, "the bridge kills a plugin process that an earlier bridge left running");
      // The process may have ended since the check, so an error is ignored.
      attempt(() => end(identity.pid));
    }
  }

  private write(index: number): void {
    if (this.file === undefined) return;
    const { pid, startTime, bootId, pidNamespace } = this.lines[index] ?? {};
    const text = startTime === undefined ? "" : [pid, startTime, bootId, pidNamespace].join(" ");
    const { fd } = this.file;
    // An error, as of a full disk, is ignored here: the journal reports it.
    attempt(() => writeSync(fd, `${text.padEnd(lineBytes - 1)}\n`, index * lineBytes));
  }
}

function parseIdentity(line: string): ProcessIdentity[] {
  const [, pid, startTime, bootId = "", pidNamespace = ""] = /^(\d+) (\d+) (\S*) (\S*) *$/.exec(line) ?? [];
  return startTime === undefined ? [] : [{ pid: Number(pid), startTime, bootId, pidNamespace }];
}
