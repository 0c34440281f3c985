/** The program to execute. */
export interface Command {
  /** The executable, absolute. */
  readonly path: string;
  /** argv[0], which need not be the path. */
  readonly argv0: string;
  /** argv[1] and on. */
  readonly args: readonly string[];
  /** The whole environment: nothing is added. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Start it from another thread, where the way can: ours has work to do meanwhile. */
  readonly offThread?: boolean;
}

/** Why a process was not started. */
export interface StartFault {
  /** ENOENT, EACCES, ENOEXEC, ETXTBSY, and so on. */
  readonly code: string;
  /** Why the bridge could not try it. */
  readonly detail?: string;
  /** Why the bridge did not want to: who besides root can change the file. */
  readonly refusal?: string;
}

/** How a process ended; both null when it could not be reaped in time. */
export interface Exit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Our end of a process's stdin. */
export interface RequestEnd {
  /** Puts the request into the pipe, and ends it there. false: its reader is gone, and has seen nothing of it. */
  send(request: Uint8Array): boolean;
  /** Lets go of what of the request has not been read. */
  close(): void;
}

/** Our end of a process's stdout or stderr. */
export interface OutputEnd {
  /** Hands on what comes from now on, and what lies in the pipe; a second call takes over from the first. */
  read(onChunk: (chunk: Uint8Array) => void): void;
  /**
   * The process has ended: hands on what is still in the pipe, at once or soon. `held`: a background child keeps the other end,
   * and more may come.
   */
  finish(): "ended" | "held" | Promise<"ended" | "held">;
  /** Reads on for a background child, which would die of SIGPIPE, until it lets go. Keeps no event loop alive. */
  linger(onEnd: () => void): void;
  close(): void;
}

/** Our ends of a process's pipes. */
export interface StdioEnds {
  readonly stdin: RequestEnd;
  readonly stdout: OutputEnd;
  readonly stderr: OutputEnd;
}

export function closeEnds({ stdin, stdout, stderr }: StdioEnds): void {
  for (const end of [stdin, stdout, stderr]) end.close();
}

/** A started process, the leader of a group of its own, until its pipes are closed. */
export interface Spawned {
  readonly pid: number;
  readonly stdio: StdioEnds;
  /** Never rejects. */
  readonly exited: Promise<Exit>;
  /** Whether it keeps the event loop alive, as it does from its start. */
  keepAlive(alive: boolean): void;
  /**
   * Waits for its end for this many milliseconds, where a spawner can, and takes what it prints meanwhile. Nothing else is done in
   * this time: it is for a process that ends sooner than the event loop would tell of it.
   */
  pollEnd(ms: number): Exit | undefined;
  /** Whether it has ended, asked of the system at this moment. */
  hasEnded(): boolean;
  /**
   * Sends its group a signal; 0 is none. The group's number stays taken while it has members, and when it has none, no other has
   * got it within the turn in which the leader was reaped.
   *
   * @returns whether the group has members, zombies too
   */
  signalGroup(signal: NodeJS.Signals | 0): boolean;
}

/** A way of making processes: with pipes on 0, 1 and 2 and no other descriptor. What is done with them is the same for all ways. */
export interface Spawner {
  readonly name: string;
  /** @throws what keeps it from being tried: no descriptors, a text that the library does not take */
  spawn(command: Command): Promise<Spawned | StartFault>;
  close(): void;
}
