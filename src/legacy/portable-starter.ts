import { closeSync } from "node:fs";

import { errorText } from "../errors.js";
import { retryWhileBusy } from "./busy-file.js";
import { hasUnknownFormat } from "./executable-format.js";
import { errorCode } from "./go-errors.js";
import { OutputReader } from "./pipe-ends.js";
import type { PipePool, StdioPipes } from "./pipe-pool.js";
import { ProcessGroup } from "./process-group.js";
import { readProcessStat } from "./process-tree.js";
import { RequestWriter } from "./request-writer.js";
import type { SpawnCommand } from "./spawner.js";
import { type NodeProcess, type StartAttempt, startProcess } from "./start-process.js";
import type { ProcessStarter, Start, StartDeadlines, StartedProcess, StdioEnds } from "./started-process.js";

/** Starts processes by execa, on pipes that are used again and again. */
export class PortableStarter implements ProcessStarter {
  readonly name = "portable";
  /** The holds of three pipes, two of which are read. */
  readonly descriptorsEach = 5;

  constructor(private readonly pool: PipePool) {}

  async start(command: SpawnCommand, request: Uint8Array | null, deadlines: StartDeadlines): Promise<Start> {
    if (hasUnknownFormat(command.path)) return { started: false, error: { code: "ENOEXEC" } };
    let pipes: StdioPipes;
    try {
      pipes = await this.pool.lend(deadlines.killAt);
    } catch (thrown) {
      const detail = `no pipes for its stdio: ${errorText(thrown)}`;
      return { started: false, error: { code: "EPIPE", detail } };
    }
    let ends: PipeEnds;
    try {
      ends = new PipeEnds(pipes, request);
    } catch (thrown) {
      close(pipes);
      return { started: false, error: { code: errorCode(thrown), detail: `its stdio: ${errorText(thrown)}` } };
    }
    const attempt = await retryWhileBusy(() => startOnce(command, pipes), deadlines.terminateAt);
    if (attempt.code === undefined) return { started: true, process: this.started(attempt, pipes, ends) };
    ends.close();
    this.giveBack(pipes);
    return { started: false, error: { code: attempt.code } };
  }

  close(): void {
    this.pool.close();
  }

  private started({ pid, exited, keepAlive }: NodeProcess, pipes: StdioPipes, stdio: PipeEnds): StartedProcess {
    return {
      pid,
      exited,
      stdio,
      keepAlive(alive) {
        keepAlive(alive);
        stdio.keepAlive(alive);
      },
      // Until Node has heard of its end and reaped it.
      hasEnded: () => (readProcessStat(pid)?.state ?? "Z") === "Z",
      groupIsAlive: () => new ProcessGroup(pid).isAlive(),
      release: () => {
        stdio.close();
        this.giveBack(pipes);
      },
      close() {
        stdio.close();
        close(pipes);
      },
    };
  }

  /** Only what nobody else can read from serves the next: what is left of one request is not the next plugin's. */
  private giveBack(pipes: StdioPipes): void {
    if (pipes.stdin.drain(() => {}) !== "ended" || pipes.stdin.hasForeignReader()) {
      close(pipes);
      return;
    }
    for (const pipe of [pipes.stdin, pipes.stdout, pipes.stderr]) this.pool.giveBack(pipe);
  }
}

/** Our ends of one process's pipes. */
class PipeEnds implements StdioEnds {
  readonly stdout: OutputReader;
  readonly stderr: OutputReader;
  private readonly stdin: RequestWriter;

  /** @throws the system's error when there are no descriptors */
  constructor(pipes: StdioPipes, request: Uint8Array | null) {
    this.stdin = new RequestWriter(pipes.stdin.openOwnEnd("write"));
    try {
      if (request !== null) this.stdin.send(request);
      this.stdout = new OutputReader(pipes.stdout);
      this.stderr = new OutputReader(pipes.stderr);
    } catch (thrown) {
      this.stdin.close();
      throw thrown;
    }
  }

  send(request: Uint8Array): boolean {
    return this.stdin.send(request);
  }

  closeStdin(): void {
    this.stdin.close();
  }

  keepAlive(alive: boolean): void {
    this.stdout.keepAlive(alive);
    this.stderr.keepAlive(alive);
  }

  close(): void {
    this.stdin.close();
    this.stdout.close();
    this.stderr.close();
  }
}

/** Ends that block, as a plugin expects them; ours are closed when it has them: while we hold them, nobody sees an end. */
async function startOnce(command: SpawnCommand, pipes: StdioPipes): Promise<StartAttempt> {
  const ends: number[] = [];
  const keep = (descriptor: number): number => {
    ends.push(descriptor);
    return descriptor;
  };
  try {
    return await startProcess(command, {
      stdin: keep(pipes.stdin.openPluginEnd("read")),
      stdout: keep(pipes.stdout.openPluginEnd("write")),
      stderr: keep(pipes.stderr.openPluginEnd("write")),
    });
  } catch (thrown) {
    return { code: errorCode(thrown) };
  } finally {
    for (const end of ends) closeSync(end);
  }
}

function close(pipes: StdioPipes): void {
  for (const pipe of [pipes.stdin, pipes.stdout, pipes.stderr]) pipe.close();
}
