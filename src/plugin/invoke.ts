import { setTimeout as sleep } from "node:timers/promises";
import { monotonicClock } from "../base/deadline.js";
import type { PluginTime } from "../bridge/call-time.js";
import { decodeUtf8, encodeUtf8 } from "../v01/gojson/utf8.js";
import { formatPluginError, hasTooManyValues, mostResultValues, parseResult } from "../v01/result.js";
import type { Result, State } from "../v01/types.js";
import type { EarlyStart } from "./early-starts.js";
import { hasUnknownFormat } from "./executable-format.js";
import { formatStartError } from "./go-errors.js";
import type { Lookup } from "./lookup.js";
import type { StartFault } from "./spawner.js";
import { notStarted, type RunOptions, type RunResult, type StartCommand, type Starter, startAndGive } from "./start.js";

export type Outcome =
  /** The plugin ran and reported no error. */
  | "ok"
  /** The plugin reported an error, or exited with a status that `exitStatus: strict` treats as one. */
  | "reported"
  /** The plugin's stdout is not a v0.1 result. */
  | "bad-output"
  | "not-found"
  /** The file exists, but the kernel does not execute it. */
  | "not-executable"
  /** The bridge's configuration or the file's permissions forbid running the plugin. */
  | "refused"
  | "timed-out"
  /** A signal ended the plugin without a result, for another reason than its time limit. */
  | "killed"
  | "output-too-large"
  /** The bridge did not run the plugin: the call had no time left, or the bridge could not start a process. */
  | "skipped";

/** The outcome of one plugin run, also of one that failed or never started. */
export interface InvokeOutcome {
  /** The plugin's type in conf.json. */
  readonly plugin: string;
  /** The path of the executable; "" when the bridge did not find or look up one. */
  readonly path: string;
  readonly state: State;
  /** The exact text that the bridge writes to the plugin's stdin. */
  readonly request: string;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The plugin's stdout as text, with invalid UTF-8 replaced. */
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderr: readonly string[];
  readonly outcome: Outcome;
  /** Why the plugin failed, in containerd 1.6's words where it had any, without the leading `plugin: <type>: `; null on success. */
  readonly error: string | null;
  /** What an operator can do about the failure, or its likely cause, where `error` does not say so; otherwise null. */
  readonly hint: string | null;
  /** The id of the plugin's process group while processes of the group still run after the plugin's end; otherwise null. */
  readonly leftGroup: number | null;
  readonly result?: Result;
  /** Why the bridge could not start the plugin's process; undefined when it did start. */
  readonly startError?: StartFault | undefined;
  readonly durationMs: number;
}

/** What all plugin runs of a bridge share. */
export interface InvokeContext {
  readonly spawner: Starter;
  readonly find: (type: string) => Lookup;
  /** Shared by all calls: it remembers which plugins were found and since when they fail. */
  readonly installs: Installs;
  /** `trust`: the bridge does not check who can change a plugin's file. */
  readonly permissions: "strict" | "trust";
  readonly environmentFor: (plugin: string) => Readonly<Record<string, string>>;
  /** Called for each line that a plugin prints on stderr, as soon as it is complete. */
  readonly onStderrLine?: (plugin: string, line: string) => void;
}

/** The limits of one plugin. */
export interface InvokePolicy {
  /** `strict`: an exit status other than 0, or a signal, is a failure. */
  readonly exitStatus: "ignore" | "strict";
  readonly limits: RunOptions["limits"];
  readonly killChildren: boolean;
  readonly pollMs?: RunOptions["pollMs"];
  /**
   * The number of the plugin's processes to keep waiting for requests, where the spawner starts ahead; undefined: see
   * `StartCommand.startAhead`.
   */
  readonly startAhead?: number | undefined;
}

/** The place where a plugin runs when that is not the node itself: a private view of the cgroups. */
export interface Stage {
  /** Wraps a command so that it runs inside this place. */
  command(command: StartCommand): StartCommand;
  /**
   * Called after the run, since the bridge itself started only the wrapper: the error, such as ENOENT, with which the wrapper could
   * not execute the plugin; undefined when it could.
   * @param stderr the lines that the wrapper and the plugin printed there
   */
  startError(stderr: readonly string[]): StartFault | undefined;
}

export interface Invocation {
  readonly plugin: string;
  readonly state: State;
  readonly request: string;
  /** The plugin's `conf` from conf.json; the request contains it as well. */
  readonly conf?: string | undefined;
  readonly time: PluginTime;
  readonly policy: InvokePolicy;
  /** Where the plugin runs; undefined for the node itself. */
  readonly stage?: Stage | undefined;
  /** The plugin's process, when the bridge started it before it had made the request. */
  readonly early?: EarlyStart | undefined;
  /** Called when the bridge has given the plugin its request. */
  readonly onGiven?: () => void;
}

/** The longest time that an installer needs to put a plugin in place, in milliseconds: the default time of a delete. */
const installMs = 10_000;
/** The pause between two tries doubles from the first to the longest value, in milliseconds. */
const firstPauseMs = 5;
const longestPauseMs = 50;

/**
 * Decides which failures may pass because an installer copies the plugin or renames it into place at this moment. These are: a
 * plugin that the bridge found before is missing or not executable now; a plugin's file is still being written (ETXTBSY); its
 * interpreter is missing (ENOENT). The bridge tries such a plugin again while the call has time. A plugin that has failed so for
 * `withinMs` fails at once from then on, as does a plugin that the bridge has never found.
 */
export class Installs {
  private readonly found = new Set<string>();
  private readonly failingSince = new Map<string, number>();

  constructor(private readonly withinMs = installMs) {}

  /** Records the outcome of one try of a plugin. Returns whether another try may succeed soon. */
  mayPass({ plugin, path, outcome, startError }: InvokeOutcome): boolean {
    const isFound = path !== "";
    if (isFound) this.found.add(plugin);
    const isInstalls = isFound
      ? startError?.code === "ETXTBSY" || startError?.code === "ENOENT"
      : outcome !== "refused" && this.found.has(plugin);
    if (!isInstalls) {
      this.failingSince.delete(plugin);
      return false;
    }
    const now = monotonicClock();
    const since = this.failingSince.get(plugin) ?? now;
    this.failingSince.set(plugin, since);
    return now - since < this.withinMs;
  }
}

/** Runs `<plugin> invoke` with the request on its stdin. Never rejects because of a plugin: its failure is in the outcome. */
export async function invokePlugin(invocation: Invocation, context: InvokeContext): Promise<InvokeOutcome> {
  const { terminateAt } = invocation.time;
  let outcome = await tryPlugin(invocation, context);
  let pauseMs = firstPauseMs;
  while (context.installs.mayPass(outcome) && terminateAt.remainingMs() > pauseMs) {
    await sleep(pauseMs);
    pauseMs = Math.min(2 * pauseMs, longestPauseMs);
    outcome = await tryPlugin(invocation, context);
  }
  return outcome;
}

async function tryPlugin(invocation: Invocation, context: InvokeContext): Promise<InvokeOutcome> {
  const { plugin, state, request, time, policy } = invocation;
  const lookup = context.find(plugin);
  if (!lookup.ok) return notInvoked(invocation, lookup.reason, lookup.error, { hint: lookup.hint });
  const { path } = lookup;
  if (time.terminateAt.expired) {
    const error = "not run: no time was left before the call's deadline";
    return notInvoked(invocation, "skipped", error, { path, hint: time.remedy });
  }
  const stderr: string[] = [];
  const command = commandOf(invocation, path, context);
  const options: RunOptions = {
    terminateAt: time.terminateAt,
    killAt: time.killAt,
    limits: policy.limits,
    pollMs: policy.pollMs,
    onGiven: invocation.onGiven,
    onStderrLine: (line) => {
      stderr.push(line);
      context.onStderrLine?.(plugin, line);
    },
    killChildren: policy.killChildren,
  };
  const startedAt = monotonicClock();
  const { stage, early } = invocation;
  const start = async (at: StartCommand) => (await early?.take(at, time.terminateAt)) ?? context.spawner.start(at);
  const runOnce = (at: StartCommand) => startAndGive({ start }, at, encodeUtf8(request), options);
  const run = await (stage === undefined ? runOnce(command) : runOn(stage, command, stderr, runOnce));
  const { exitCode, signal, leftGroup, startError, stdout } = run;
  return {
    ...{ plugin, path, state, request, stderr, exitCode, signal, leftGroup, startError },
    ...{ stdout: decodeUtf8(stdout), stdoutBytes: stdout },
    ...judge(invocation, path, run),
    durationMs: monotonicClock() - startedAt,
  };
}

type WhatToStart = Pick<Invocation, "plugin" | "conf" | "policy">;

function commandOf({ plugin, conf, policy }: WhatToStart, path: string, context: InvokeContext): StartCommand {
  return {
    path,
    // compat: argv[0] is the name in conf.json; some plugins choose their behaviour by it.
    argv0: plugin,
    args: ["invoke"],
    env: context.environmentFor(plugin),
    cwd: "/",
    guarded: context.permissions === "strict" ? path : null,
    startAhead: policy.startAhead,
    conf,
  };
}

/**
 * Starts a plugin's process before the bridge has made its request; undefined when the plugin is not found or the spawner cannot.
 * @param offThread start the process from another thread, since this one has work to do
 */
export function startEarly(what: WhatToStart, context: InvokeContext, offThread: boolean): EarlyStart | undefined {
  const lookup = context.find(what.plugin);
  if (!lookup.ok) return undefined;
  return context.spawner.startEarly?.({ ...commandOf(what, lookup.path, context), offThread });
}

/**
 * Runs a plugin on a stage. The bridge starts a wrapper there, so the start gives no error for the plugin's own file: the bridge
 * checks for an unknown format before the run, and asks the stage for other errors after it.
 */
async function runOn(
  stage: Stage,
  command: StartCommand,
  stderr: readonly string[],
  runOnce: (command: StartCommand) => Promise<RunResult>,
): Promise<RunResult> {
  if (hasUnknownFormat(command.path)) return notStarted({ code: "ENOEXEC" });
  const run = await runOnce(stage.command(command));
  // A wrapper that the bridge ended at the time limit says nothing about whether it could execute the plugin.
  const startError = run.started && !run.timedOut ? stage.startError(stderr) : undefined;
  return startError === undefined ? run : { ...run, startError };
}

/** How many bytes of a plugin's invalid output the error quotes: a ttRPC status holds no more, and quoting takes time. */
const maxQuotedBytes = 8192;

/**
 * The outcome of a plugin that the bridge did not run or whose result it does not have: `refused` when there is no place to run it
 * in, `skipped` when it is not to run now, `timed-out` when the bridge could not end it.
 */
export function notInvoked(
  { plugin, state, request }: Pick<Invocation, "plugin" | "state" | "request">,
  outcome: Outcome,
  error: string | null,
  more: Partial<InvokeOutcome> = {},
): InvokeOutcome {
  return {
    ...{ plugin, path: "", state, request, outcome, error, hint: null },
    ...{ exitCode: null, signal: null, stdout: "", stdoutBytes: new Uint8Array(), stderr: [] },
    ...{ leftGroup: null, durationMs: 0 },
    ...more,
  };
}

/** Whether an outcome says something about the plugin itself: its process started, or the kernel does not execute its file. */
export function wasBegun({ outcome }: InvokeOutcome): boolean {
  return outcome !== "skipped" && outcome !== "refused" && outcome !== "not-found";
}

type Judgement = Pick<InvokeOutcome, "outcome" | "error" | "hint" | "result">;

function judge(invocation: Invocation, found: string, run: RunResult): Judgement {
  const { time, policy, plugin } = invocation;
  if (run.startError !== undefined) {
    const { code, detail, refusal } = run.startError;
    if (refusal !== undefined) return failed("refused", `the bridge refuses to run ${refusal}`, null);
    // `detail` is the bridge's reason for not trying to start the process, so it says nothing about the file.
    if (detail !== undefined) return failed("skipped", `not run: ${detail}`, null);
    const path = plugin.includes("/") ? plugin : found;
    if (ownShortages.has(code))
      return failed("skipped", formatStartError(path, code), "the bridge or the node has run out of this resource");
    return failed("not-executable", formatStartError(path, code), startHints[code] ?? null);
  }
  if (run.outputTooLarge) {
    const error = `printed more than ${policy.limits.stdoutBytes} bytes on stdout and was killed`;
    return failed("output-too-large", error, "limits.stdoutBytes sets the limit");
  }
  if (hasTooManyValues(run.stdout)) {
    return failed("output-too-large", `printed more than ${mostResultValues} JSON values on stdout`, null);
  }
  // A plugin that got SIGTERM and then printed a result and exited with 0 was in time.
  const parsed = parseResult(run.timedOut && run.exitCode !== 0 ? new Uint8Array() : run.stdout);
  const answered = parsed.ok && run.exitCode === 0;
  if (run.timedOut && !answered) {
    const error = `did not end within ${Math.round(time.limitMs)} ms and was killed`;
    return failed("timed-out", `${error} (${time.remedy})`, time.remedy);
  }
  if (run.killed) return failed("killed", "was killed before it answered: its call or the bridge ended", null);
  const exitCode = run.exitCode ?? -1;
  if (!parsed.ok) {
    const cut = run.stdout.length - maxQuotedBytes;
    const whole = formatPluginError(parsed.reason, run.stdout.subarray(0, maxQuotedBytes), exitCode);
    const error = cut > 0 ? `${whole} (… ${cut} bytes of its output are not shown)` : whole;
    return failed(run.signal === null ? "bad-output" : "killed", error, null);
  }
  // compat: containerd 1.6 ignores the exit status when stdout parses and reports no error, even a death by signal.
  if (parsed.result.error !== "") return failed("reported", parsed.result.error, null);
  if (policy.exitStatus === "strict" && exitCode !== 0) {
    const status = run.signal === null ? `exit code: ${exitCode}` : `ended by ${run.signal}`;
    return failed("reported", `${status}, although its output reports no error (exitStatus is strict)`, null);
  }
  return { outcome: "ok", error: null, hint: null, result: parsed.result };
}

/** Start errors that come from a shortage in the bridge or on the node, not from the plugin's file. */
const ownShortages: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM", "EAGAIN"]);

const startHints: Readonly<Record<string, string>> = {
  ENOENT: "the file exists, but the interpreter in its first line or its dynamic loader does not",
  ENOEXEC: "a script needs a first line such as #!/bin/sh; a binary must be built for this machine",
  EACCES: "its file system may be mounted noexec, or its interpreter is not executable",
};

function failed(outcome: Outcome, error: string, hint: string | null): Judgement {
  return { outcome, error, hint };
}
