import { messageToJson } from "../nri/json.js";
import type { PlayReport } from "./play.js";

/** A report as one JSON line, the form that machines read; undefined for what has none. */
export function toJsonLine(report: PlayReport): string | undefined {
  const line = toLine(report);
  return line && JSON.stringify(line);
}

/** The same as a value. */
export function toLine(report: PlayReport): object | undefined {
  if (report.type === "run") return runLine(report);
  return report.type === "answer" ? answerLine(report) : undefined;
}

function runLine({ call, run }: PlayReport & { readonly type: "run" }) {
  const { request } = call;
  const utf8 = Buffer.from(run.stdout, "utf8").equals(run.stdoutBytes);
  return {
    type: "run",
    event: call.event,
    id: request.id,
    sandboxId: request.sandboxID,
    plugin: run.plugin,
    path: run.path,
    state: run.state,
    phase: call.phase === "create" ? "create" : "start",
    request: run.request,
    exitCode: run.exitCode,
    signal: run.signal,
    stdout: run.stdout,
    ...(utf8 ? {} : { stdoutBase64: Buffer.from(run.stdoutBytes).toString("base64") }),
    stderr: run.stderr,
    outcome: run.outcome,
    error: run.error,
    durationMs: toMilliseconds(run.durationMs),
  };
}

function answerLine({ event, outcome, response }: PlayReport & { readonly type: "answer" }) {
  return {
    type: "answer",
    event: event.name,
    id: "container" in event ? event.container.id : event.pod.id,
    response: response === undefined ? {} : messageToJson("CreateContainerResponse", response),
    error: outcome.error ?? null,
    durationMs: toMilliseconds(outcome.durationMs),
  };
}

/** To the microsecond, which is as much as the clock tells. */
function toMilliseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
