import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { linkSync, readdirSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf, errorText } from "../base/errors.js";
import { prepareDirectory } from "./directory.js";

/**
 * The outcome of a try to take the lock. `taken`: another instance has the lock; `unavailable`: the state directory cannot hold
 * one.
 */
export type LockOutcome =
  | { readonly kind: "held" }
  | { readonly kind: "taken"; readonly holder: string }
  | { readonly kind: "unavailable"; readonly reason: string };

interface WaitOptions {
  /** How long to wait for the holder to end, in milliseconds. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
  /** Called once, when another instance has the lock and the wait begins. */
  readonly onWait?: (holder: string) => void;
}

/**
 * The lock of a state directory: one instance of the bridge holds it until that instance ends, in whatever way.
 *
 * The lock is a unix socket in the directory, on which its holder listens. The kernel refuses connections as soon as
 * the holder is gone, killed or not. A path of a file system, unlike an abstract name, is the same socket from every
 * network namespace. Node offers no flock(2).
 *
 * The socket file of a dead holder stays and is never taken over, since no call removes a path only if it is still that
 * same socket. Instead sockets are numbered, the highest number is the lock, and link(2) gives the next number to one
 * contender only. A contender that got a number looks again for a higher one, since it may have read the directory long
 * before.
 *
 *   lock.7            its holder is dead: connect(2) says ECONNREFUSED
 *   lock.8            the lock
 *   lock.bind.<...>   a contender's socket, before it has a number
 */
export class DirectoryLock {
  private server: Server | undefined;

  constructor(private readonly directory: string) {}

  get held(): boolean {
    return this.server !== undefined;
  }

  /** Takes the lock when it is free; does not wait for its holder. */
  async tryAcquire(): Promise<LockOutcome> {
    if (this.held) return { kind: "held" };
    try {
      prepareDirectory(this.directory);
      return await this.contend();
    } catch (error) {
      return { kind: "unavailable", reason: errorText(error) };
    }
  }

  /**
   * Takes the lock; while another instance holds it, waits for that instance to end. Returns `taken` when the time is over or
   * `signal` aborts.
   */
  async acquire({ waitMs = Number.POSITIVE_INFINITY, signal, onWait }: WaitOptions = {}): Promise<LockOutcome> {
    const until = performance.now() + waitMs;
    let told = false;
    for (;;) {
      const outcome = await this.tryAcquire();
      if (outcome.kind !== "taken" || signal?.aborted) return outcome;
      if (!told) onWait?.(outcome.holder);
      told = true;
      const leftMs = until - performance.now();
      if (leftMs <= 0) return outcome;
      await sleep(Math.min(leftMs, lookAgainMs), undefined, signal === undefined ? {} : { signal }).catch(() => {});
    }
  }

  /** Releases the lock. */
  async release(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server !== undefined) await close(server);
  }

  private async contend(): Promise<LockOutcome> {
    for (let round = 0; round < rounds; round++) {
      const last = highest(this.directory);
      if (last > 0) {
        const answer = await probe(lockPath(this.directory, last));
        if (answer.alive) return { kind: "taken", holder: answer.holder };
      }
      const server = await this.claim(last + 1);
      if (server === undefined) continue;
      this.server = server;
      this.tidy(last + 1);
      return { kind: "held" };
    }
    return { kind: "taken", holder: "several instances that start at the same time" };
  }

  /** Listens on a socket with this number; undefined when another contender was faster. */
  private async claim(number: number): Promise<Server | undefined> {
    const path = join(this.directory, `lock.bind.${randomBytes(6).toString("hex")}`);
    const server = await listen(path);
    try {
      // The socket listens before it has its number, so a process that sees the number can connect.
      linkSync(path, lockPath(this.directory, number));
    } catch (error) {
      await close(server);
      // ENOENT: the present holder has removed this socket in `tidy`, since it had no number yet.
      if (["EEXIST", "ENOENT"].includes(errnoOf(error))) return undefined;
      throw error;
    }
    rmSync(path, { force: true });
    if (highest(this.directory) === number) return server;
    rmSync(lockPath(this.directory, number), { force: true });
    await close(server);
    return undefined;
  }

  /**
   * Removes sockets without a number, and all old numbers but the latest `keptNumbers`: a contender that reads the directory at
   * this moment must not miss both a number that disappears and the new one.
   */
  private tidy(number: number): void {
    for (const name of readdirSync(this.directory)) {
      const old = numberOf(name);
      if (old > 0 ? old < number - keptNumbers : name.startsWith("lock.bind.")) {
        rmSync(join(this.directory, name), { force: true });
      }
    }
  }
}

const lookAgainMs = 100;
const rounds = 100;
const keptNumbers = 8;

function lockPath(directory: string, number: number): string {
  return join(directory, `lock.${number}`);
}

/** The number in the name of a lock file; 0 when the name is not that of a lock. */
function numberOf(name: string): number {
  return Number(/^lock\.([1-9]\d{0,14})$/.exec(name)?.[1] ?? 0);
}

function highest(directory: string): number {
  return Math.max(0, ...readdirSync(directory).map(numberOf));
}

async function listen(path: string): Promise<Server> {
  // The holder sends its pid to each process that connects, for that process's log.
  const server = createServer((socket: Socket) => {
    socket.on("error", () => {});
    socket.end(`process ${process.pid}`);
  });
  server.listen(path);
  await once(server, "listening");
  server.on("error", () => {});
  return server.unref();
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

/**
 * Whether a process listens on a socket, and what it says about itself. A process that does not answer within `answerMs` counts as
 * alive.
 */
export function probe(path: string): Promise<{ readonly alive: boolean; readonly holder: string }> {
  return new Promise((resolve) => {
    let holder = "";
    const socket = connect(path);
    const done = (alive: boolean) => {
      socket.destroy();
      resolve({ alive, holder: holder === "" ? "another process" : holder });
    };
    socket.on("data", (text) => {
      holder += text.toString();
    });
    socket.on("end", () => done(true));
    socket.on("error", (error) => done(!["ECONNREFUSED", "ENOENT"].includes(errnoOf(error))));
    socket.setTimeout(answerMs, () => done(true));
  });
}

const answerMs = 500;
