import type { RunningProgram } from "../../support/program.js";

/** One line of the bridge's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

type Logging = Pick<RunningProgram, "stderrSoFar">;

/** What was parsed of each program's log so far: tests look again and again. */
const parsed = new WeakMap<Logging, { readonly lines: LogLine[]; length: number }>();

/** The whole lines that the program has logged so far. */
export function logLines(program: Logging): LogLine[] {
  const text = program.stderrSoFar();
  const known = parsed.get(program) ?? { lines: [], length: 0 };
  parsed.set(program, known);
  const end = text.lastIndexOf("\n") + 1;
  for (const line of text.slice(known.length, end).split("\n").slice(0, -1)) known.lines.push(parseLine(line));
  known.length = end;
  return [...known.lines];
}

function parseLine(line: string): LogLine {
  try {
    return { msg: "", ...JSON.parse(line) };
  } catch {
    throw new Error(`a line of the log that is no JSON: ${line.slice(0, 1000)}`);
  }
}

/** The lines that say how each plugin's run went; those of one pod or container where it is named. */
export function runLines(program: Logging, id?: string): LogLine[] {
  return logLines(program).filter(
    (line) => (line.msg === "plugin ran" || line.msg === "plugin failed") && (id === undefined || line.id === id),
  );
}
