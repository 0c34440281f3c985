import { quoteText } from "../gojson/quote.js";
import type { InvokeOutcome, Outcome } from "../legacy/invoke.js";
import { parseResult } from "../v01/result.js";
import { parseResultExtensions } from "../v01/result-extensions.js";
import type { ConformanceCase } from "./cases.js";

/** How long a run may take, in milliseconds: what an NRI v2 runtime allows for a whole chain. */
export const limitMs = 2_000;
/** A result on stdout may be so long. */
export const stdoutBytes = 4 * 1024 * 1024;

/** How much of a plugin's words is told again. */
const excerptLength = 80;
const noteLength = 240;

/** What is wrong with a run, each with what to do about it. */
export function findProblems(run: InvokeOutcome, expects: ConformanceCase["expects"]): string[] {
  const stopped = notEnded[run.outcome]?.(run);
  if (stopped !== undefined) return [stopped];
  const problems: string[] = [];
  if (run.signal !== null) {
    problems.push(`${run.signal} ended it${lastWords(run)}: end by exit, and put what went wrong into "error"`);
  } else if (expects === "result") problems.push(...resultProblems(run));
  if (run.survivors.length > 0) {
    const { length } = run.survivors;
    problems.push(
      `left ${length === 1 ? "a process" : `${length} processes`} running: wait for what it starts, or the bridge's killChildren: true ends it`,
    );
  }
  return problems;
}

/** What a run reported itself: no fault of the plugin's, which may need a real container. */
export function findNote(run: InvokeOutcome): string | undefined {
  return run.outcome === "reported"
    ? `reports the error ${quoteText(excerpt(run.error ?? "", noteLength))}`
    : undefined;
}

/** The runs that did not come to an end of their own, or never began. */
const notEnded: Partial<Record<Outcome, (run: InvokeOutcome) => string>> = {
  "not-found": (run) => cannotBeRun(run),
  "not-executable": (run) => cannotBeRun(run),
  refused: (run) => cannotBeRun(run),
  skipped: (run) => cannotBeRun(run),
  "timed-out": (run) =>
    `did not end within ${limitMs} ms${lastWords(run)}: a runtime gives all plugins of a call together so long; be quicker, or raise its plugin_request_timeout`,
  "output-too-large": () =>
    `printed more than ${stdoutBytes} bytes on stdout: print the result alone, or raise the bridge's limits.stdoutBytes`,
};

function cannotBeRun({ error, hint, path }: InvokeOutcome): string {
  return `cannot be run: ${error ?? path}: ${hint ?? "let it be an executable file: chmod 0755"}`;
}

function resultProblems(run: InvokeOutcome): string[] {
  const parsed = parseResult(run.stdoutBytes);
  if (!parsed.ok) {
    if (run.stdout.trim() === "") {
      return [
        `printed nothing on stdout${lastWords(run)}: print {"plugin":"<name>","version":"0.1","error":""} also when there is nothing to do`,
      ];
    }
    return [
      `stdout is no v0.1 result, ${parsed.reason}: ${quoteText(excerpt(run.stdout))}${lastWords(run)}: print the one JSON object and nothing else; logs go to stderr`,
    ];
  }
  const problems = parseResultExtensions(run.stdoutBytes).problems.map(
    (problem) => `${problem}: the bridge ignores it; remove the key or correct its value`,
  );
  if (run.exitCode !== 0 && parsed.result.error === "") {
    problems.push(
      `exit status ${run.exitCode} with a result that has no error: containerd 1.6 ignored the status, exitStatus: strict does not; exit 0, or say in "error" what went wrong`,
    );
  }
  return problems;
}

/** The last line on stderr, where a program that fails says why. */
function lastWords({ stderr }: InvokeOutcome): string {
  const line = stderr.findLast((text) => text.trim() !== "");
  return line === undefined ? "" : ` (its stderr ends with ${quoteText(excerpt(line.trim()))})`;
}

function excerpt(text: string, length = excerptLength): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`;
}
