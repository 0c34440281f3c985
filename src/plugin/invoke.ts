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
  /** It ran and reported no error. */
  | "ok"
  /** It reported an error itself, or exited with a status that `exitStatus: strict` takes for one. */
  | "reported"
  /** Its stdout is no result. */
  | "bad-output"
  | "not-found"
  /** It is there and the system does not execute it. */
  | "not-executable"
  /** The bridge's configuration or the file's permissions forbid to run it. */
  | "refused"
  | "timed-out"
  /** A signal that was not its time limit's ended it without a result. */
  | "killed"
  | "output-too-large"
  /** There was no time left to begin, or the bridge could not. */
  | "skipped";

/** One plugin run, whatever became of it. */
export interface InvokeOutcome {
  /** The plugin's type in conf.json. */
  readonly plugin: string;
  /** The executable; "" when none was found. */
  readonly path: string;
  readonly state: State;
  /** The exact text on its stdin. */
  readonly request: string;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Its stdout, invalid UTF-8 replaced. */
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderr: readonly string[];
  readonly outcome: Outcome;
  /** Why it failed, in containerd 1.6's words where it had any, without the `plugin: <type>: ` before it. */
  readonly error: string | null;
  /** The remedy of the failure, where the error cannot name it. */
  readonly hint: string | null;
  /** The number of its process group, where it left members of it running. */
  readonly leftGroup: number | null;
  readonly result?: Result;
  /** Why its process was not started. */
  readonly startError?: StartFault | undefined;
  readonly durationMs: number;
}

/** How plugins are run here. */
export interface InvokeContext {
  readonly spawner: Starter;
  readonly find: (type: string) => Lookup;
  /** Its knowledge lasts from one call to the next. */
  readonly installs: Installs;
  /** `trust`: do not look at who can write a plugin. */
  readonly permissions: "strict" | "trust";
  readonly environmentFor: (plugin: string) => Readonly<Record<string, string>>;
  /** Each line on a plugin's stderr, when it comes. */
  readonly onStderrLine?: (plugin: string, line: string) => void;
}

/** The limits of one plugin. */
export interface InvokePolicy {
  /** `strict`: an exit status other than 0, or a signal, is a failure. */
  readonly exitStatus: "ignore" | "strict";
  readonly limits: RunOptions["limits"];
  readonly killChildren: boolean;
  readonly pollMs?: RunOptions["pollMs"];
  /** The number of its processes that wait for their requests, where the spawner starts ahead; undefined as StartCommand has it. */
  readonly startAhead?: number | undefined;
}

/** Where one plugin runs, when that is not plainly the node: a private view of the cgroups. */
export interface Stage {
  /** The same command, inside. */
  command(command: StartCommand): StartCommand;
  /**
   * After the run: why the plugin itself could not be executed, such as ENOENT; what was started is the way in. `stderr`: its
   * lines there.
   */
  startError(stderr: readonly string[]): StartFault | undefined;
}

export interface Invocation {
  readonly plugin: string;
  readonly state: State;
  readonly request: string;
  /** The plugin's `conf`, which is in the request too. */
  readonly conf?: string | undefined;
  readonly time: PluginTime;
  readonly policy: InvokePolicy;
  /** Where it runs, when not plainly on the node. */
  readonly stage?: Stage | undefined;
  /** Its process, where that was started before the request was there. */
  readonly early?: EarlyStart | undefined;
  /** Called when it has its request. */
  readonly onGiven?: () => void;
}

/** An installer has put a plugin in place by then: as long as a delete's own time. */
const installMs = 10_000;
/** Between two tries. */
const firstPauseMs = 5;
const longestPauseMs = 50;

/**
 * Which failures an installer may be the reason of, that copies a plugin or renames it into place in this moment: a plugin that has
 * been found before and is missing now, or is not executable yet; one that is found while its file is still written (ETXTBSY), or
 * its interpreter is missing (ENOENT). It is tried again while the call has time. One that stays so for `withinMs` fails at once
 * from then on, as does a plugin that has never been found.
 */
export class Installs {
  private readonly found = new Set<string>();
  private readonly failingSince = new Map<string, number>();

  constructor(private readonly withinMs = installMs) {}

  /** Told of each try of a plugin: whether another one may go well soon. */
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

/** Runs `<plugin> invoke` with the request on its stdin. A failure is a value. */
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
    const error = "not run: no time was left of the call's deadline";
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
    // compat: argv[0] is the name in conf.json; there are plugins that behave by it.
    argv0: plugin,
    args: ["invoke"],
    env: context.environmentFor(plugin),
    cwd: "/",
    guarded: context.permissions === "strict" ? path : null,
    startAhead: policy.startAhead,
    conf,
  };
}

/** Starts a plugin before its request is there, where that can be done. */
export function startEarly(what: WhatToStart, context: InvokeContext, offThread: boolean): EarlyStart | undefined {
  const lookup = context.find(what.plugin);
  if (!lookup.ok) return undefined;
  return context.spawner.startEarly?.({ ...commandOf(what, lookup.path, context), offThread });
}

/** On a stage the wrapper is what is started: what a start says of the plugin's own file is found out here. */
async function runOn(
  stage: Stage,
  command: StartCommand,
  stderr: readonly string[],
  runOnce: (command: StartCommand) => Promise<RunResult>,
): Promise<RunResult> {
  if (hasUnknownFormat(command.path)) return notStarted({ code: "ENOEXEC" });
  const run = await runOnce(stage.command(command));
  // A wrapper that was ended in time tells nothing of what it was to execute.
  const startError = run.started && !run.timedOut ? stage.startError(stderr) : undefined;
  return startError === undefined ? run : { ...run, startError };
}

/** The length of output that is quoted in the error when it is no result: a ttRPC status holds no more, and quoting takes time. */
const maxQuotedBytes = 8192;

/**
 * A plugin of whose run there is nothing to tell: `refused` when there is no place to run it in, `skipped` when it is not its
 * time, `timed-out` when it could not be ended.
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

/** Whether a run says something of the plugin's own: it was begun, or its file is not what the system executes. */
export function wasBegun({ outcome }: InvokeOutcome): boolean {
  return outcome !== "skipped" && outcome !== "refused" && outcome !== "not-found";
}

type Judgement = Pick<InvokeOutcome, "outcome" | "error" | "hint" | "result">;

function judge(invocation: Invocation, found: string, run: RunResult): Judgement {
  const { time, policy, plugin } = invocation;
  if (run.startError !== undefined) {
    const { code, detail, refusal } = run.startError;
    if (refusal !== undefined) return failed("refused", `refused to run ${refusal}`, null);
    // Not the system's word on the file, but ours on why it was not even tried.
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
  // One that was told to end, and ended by itself with a result, was in time.
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

/** Start errors that are not the file's. */
const ownShortages: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM", "EAGAIN"]);

const startHints: Readonly<Record<string, string>> = {
  ENOENT: "the file exists, but the interpreter in its first line or its dynamic loader does not",
  ENOEXEC: "a script needs a first line such as #!/bin/sh; a binary must be built for this machine",
  EACCES: "its file system may be mounted noexec, or its interpreter is not executable",
};

function failed(outcome: Outcome, error: string, hint: string | null): Judgement {
  return { outcome, error, hint };
}
