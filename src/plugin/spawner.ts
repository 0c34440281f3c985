/** A program to execute, with its arguments and environment. */
export interface Command {
  /** The absolute path of the executable. */
  readonly path: string;
  /** argv[0], which need not be the path. */
  readonly argv0: string;
  /** The arguments from argv[1] on. */
  readonly args: readonly string[];
  /** The whole environment: the spawner adds nothing to it. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Start the process from another thread, where the spawner can, since this thread has work to do meanwhile. */
  readonly offThread?: boolean;
}

/** Why a process was not started. */
export interface StartFault {
  /** The system's error code: ENOENT, EACCES, ENOEXEC, ETXTBSY, and so on. */
  readonly code: string;
  /** Why the bridge could not try to start the process. */
  readonly detail?: string;
  /** Why the bridge refused to start the process: who besides root can change its file. */
  readonly refusal?: string;
}

/** How a process ended; both fields are null when the bridge does not know, as when it could not reap the process in time. */
export interface Exit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The bridge's end of a process's stdin. */
export interface RequestEnd {
  /**
   * Writes the request into the pipe and closes the pipe after it. Returns false when the reader is gone and has seen nothing of
   * the request.
   */
  send(request: Uint8Array): boolean;
  /** Closes the pipe; drops the part of the request that is not in the pipe yet. */
  close(): void;
}

/** The bridge's end of a process's stdout or stderr. */
export interface OutputEnd {
  /**
   * Passes what is in the pipe, and what the process prints from now on, to `onChunk`. A second call replaces the `onChunk` of the
   * first.
   */
  read(onChunk: (chunk: Uint8Array) => void): void;
  /**
   * Called when the process has ended: passes on what is still in the pipe, at once or soon. `held`: a background child keeps the
   * pipe open, and may print more.
   */
  finish(): "ended" | "held" | Promise<"ended" | "held">;
  /**
   * Keeps reading for a background child, which SIGPIPE would kill otherwise, and calls `onEnd` when the pipe is closed. Does not
   * keep the event loop alive.
   */
  linger(onEnd: () => void): void;
  close(): void;
}

/** The bridge's ends of a process's pipes. */
export interface StdioEnds {
  readonly stdin: RequestEnd;
  readonly stdout: OutputEnd;
  readonly stderr: OutputEnd;
}

export function closeEnds({ stdin, stdout, stderr }: StdioEnds): void {
  for (const end of [stdin, stdout, stderr]) end.close();
}

/** A process that the bridge has started, until its pipes are closed. The process leads a process group of its own. */
export interface Spawned {
  readonly pid: number;
  readonly stdio: StdioEnds;
  /** Settles when the process has ended. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Sets whether the process keeps the event loop alive, as it does from its start. */
  keepAlive(alive: boolean): void;
  /**
   * Blocks the thread for at most this many milliseconds until the process ends, where the spawner can, and reads what the process
   * prints meanwhile. For a process that ends sooner than the event loop would notice. undefined when the process still runs.
   */
  pollEnd(ms: number): Exit | undefined;
  /** Whether the process has ended; asks the system at this moment. */
  hasEnded(): boolean;
  /**
   * Sends a signal to the process group; 0 sends none and only checks. The kernel reuses the group's id only after the last member
   * is gone, and not within the turn of the event loop in which the bridge reaps the leader: call this no later.
   *
   * @returns whether the group has members; zombies count
   */
  signalGroup(signal: NodeJS.Signals | 0): boolean;
}

/**
 * A way to start processes: with pipes as descriptors 0, 1 and 2, and no others. The bridge treats the processes of all spawners
 * alike.
 */
export interface Spawner {
  readonly name: string;
  /** @throws Error when the start cannot be tried: no free descriptors, or a string that the library does not take */
  spawn(command: Command): Promise<Spawned | StartFault>;
  close(): void;
}
