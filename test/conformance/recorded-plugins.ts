import { chmodSync, copyFileSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Case, Run } from "../v01/recordings.js";

const noop = join(import.meta.dirname, "../../legacy-plugins/noop");

/** The plugins that recorded on containerd 1.6.20: one script, and links to it. */
const recorders = ["recorder", "recorder2", "recorder3", "reclink"] as const;

/** Takes the number of this run, counted by plugin, and becomes the program of that run. */
const nextTurn = [
  'turn=1; while [ -e "$0.$turn.began" ]; do turn=$((turn + 1)); done; : >"$0.$turn.began"',
  'export request="$0.$turn.request"; [ -e "$0.$turn" ] || turn=more; exec "$0.$turn"',
].join("; ");

/** The plugins of a case as real programs: each run prints what it printed then, and ends as it ended then. */
export interface RecordedPlugins {
  /** What stands for /opt/nri/bin. */
  readonly directory: string;
  /** The exact bytes on the stdin of a plugin's n-th run, from 1; empty when it did not read. */
  requestOf(plugin: string, turn: number): Buffer;
  /** The processes that the plugins left behind. */
  leftBehind(): readonly number[];
}

export function placeRecordedPlugins(directory: string, recorded: Case): RecordedPlugins {
  for (const plugin of recorders) {
    placeProgram(plugin, [`run ${nextTurn}`]);
    const runs = recorded.runs.filter((run) => run.plugin === plugin);
    for (const [index, run] of runs.entries()) {
      const turn = `${plugin}.${index + 1}`;
      writeFileSync(join(directory, `${turn}.stdout`), run.stdout);
      placeProgram(turn, toPlan(run, join(directory, `${turn}.stdout`)));
    }
    // A run too many is to be seen, not to be mistaken for another fault.
    placeProgram(`${plugin}.more`, ['run cat >"$request"', "answer"]);
  }
  symlinkSync(join(import.meta.dirname, "refuser"), join(directory, "refuser"));
  placeBroken(directory);
  const left = join(directory, "left-behind");
  return {
    directory,
    requestOf: (plugin, turn) => readIfThere(join(directory, `${plugin}.${turn}.request`)),
    leftBehind: () => [...readIfThere(left).toString().matchAll(/\d+/g)].map(Number),
  };

  function placeProgram(name: string, plan: readonly string[]): void {
    symlinkSync(noop, join(directory, name));
    writeFileSync(join(directory, `${name}.plan`), `${plan.join("\n")}\n`);
  }

  function toPlan(run: Run, answer: string): string[] {
    const { before = [], after = [] } = misbehaviourOf(run);
    const read = run.request.length === 0 ? [] : ['run cat >"$request"'];
    return [...read, ...before, `run cat '${answer}'`, ...after];
  }
}

/** What a misbehaving plugin does before and after it prints. The titles of the cases say so in words. */
const misbehaviours: Readonly<
  Record<string, { readonly before?: readonly string[]; readonly after?: readonly string[] }>
> = {
  "exit1-error": { after: ["exit 1"] },
  "exit1-json": { after: ["exit 1"] },
  "exit2-garbage": { after: ["exit 2"] },
  "killed-json": { after: ["kill KILL"] },
  sleep3: { before: ["wait 3"] },
  "hold-stdout": { after: ['run sleep 6 <&0 & echo $! >>"$(dirname "$0")/left-behind"'] },
};

/** A case named `<what>@<stage>` has a plugin that misbehaves so, at that stage only. */
function misbehaviourOf({ caseName, plugin, state, who }: Run) {
  const [what = "", stage = ""] = caseName.split("@");
  const at = `${who === "sandbox" ? "pod" : "ctr"}-${state}`;
  return plugin === "recorder" && at === stage ? (misbehaviours[what] ?? {}) : {};
}

/** The files of the cases no-shebang and not-executable, which no system starts. */
function placeBroken(directory: string): void {
  writeFileSync(join(directory, "nosb"), readFileSync(noop, "utf8").replace(/^#!.*\n/, ""));
  chmodSync(join(directory, "nosb"), 0o755);
  copyFileSync(noop, join(directory, "noexec"));
  chmodSync(join(directory, "noexec"), 0o644);
}

function readIfThere(path: string): Buffer {
  return existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
}
