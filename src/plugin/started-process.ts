import type { SpawnCommand, SpawnResult } from "./spawner.js";
import type { RunningProcess } from "./supervise.js";

/** Our end of a process's stdout or stderr. */
export interface OutputEnd {
  /** Hands on what comes from now on, and what lies in the pipe; a second call takes over from the first. */
  read(onChunk: (chunk: Uint8Array) => void): void;
  /**
   * The process has ended: hands on what is still in the pipe, at once or soon. `held`: a background child keeps the other end,
   * and more may come.
   */
  finish(): "ended" | "held" | Promise<"ended" | "held">;
  /**
   * Reads on for a background child, which would die of SIGPIPE if nobody did, until it lets go. Keeps no event loop
   * alive.
   */
  linger(onEnd: () => void): void;
  close(): void;
}

/** Our ends of a process's pipes. */
export interface StdioEnds {
  /** Puts the request into the pipe, and ends it there. false: nobody can read it any more. */
  send(request: Uint8Array): boolean;
  /** Lets go of what of the request has not been read. */
  closeStdin(): void;
  readonly stdout: OutputEnd;
  readonly stderr: OutputEnd;
}

/** A process with its pipes, from its start until nobody holds them any more. */
export interface StartedProcess extends RunningProcess {
  readonly stdio: StdioEnds;
  /** Whether it keeps the event loop alive, as it does from its start. */
  keepAlive(alive: boolean): void;
  /** Whether it has ended, asked of the system at this moment. */
  hasEnded(): boolean;
  /** Whether anybody is left of its group, when it has ended. */
  groupIsAlive(): boolean;
  /** Lets go of the pipes, whoever still holds the other ends. */
  close(): void;
}

export type Start =
  | { readonly started: true; readonly process: StartedProcess }
  | { readonly started: false; readonly error: NonNullable<SpawnResult["startError"]> };

/** A way of starting processes; what becomes of them then is the same for all ways. */
export interface ProcessStarter {
  readonly name: string;
  /** `request`: null when it comes later. Never rejects. */
  start(command: SpawnCommand, request: Uint8Array | null): Start | Promise<Start>;
  close(): void;
}
