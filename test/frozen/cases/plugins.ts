import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Case, Run } from "../../support/recorded-cases.js";

/** The plugins that recorded on containerd 1.6.20: one script, and links to it. */
const recorders = ["recorder", "recorder2", "recorder3", "reclink"] as const;

/** The plugins of a case as real programs: each run prints what it printed then, and ends as it ended then. */
export interface RecordedPlugins {
  /** The exact bytes on the stdin of a plugin's n-th run, from 1; empty when it did not read. */
  requestOf(plugin: string, turn: number): Buffer;
  /** The processes that the plugins left behind. */
  leftBehind(): readonly number[];
}

export function placeRecordedPlugins(directory: string, recorded: Case, sleepSeconds: number): RecordedPlugins {
  for (const plugin of recorders) {
    const runs = recorded.runs.filter((run) => run.plugin === plugin);
    placeProgram(`${plugin}.sh`, toScript(runs, sleepSeconds));
    symlinkSync(join(directory, `${plugin}.sh`), join(directory, plugin));
  }
  symlinkSync(join(import.meta.dirname, "refuser"), join(directory, "refuser"));
  // The files of the cases no-shebang and not-executable, which no system starts.
  const answer = `cat >/dev/null; echo '{}'\n`;
  placeProgram("nosb", answer);
  placeProgram("noexec", `#!/bin/sh\n${answer}`, 0o644);
  return {
    requestOf: (plugin, turn) => readIfThere(join(directory, `${plugin}.${turn}.request`)),
    leftBehind: () => [...readIfThere(join(directory, "left-behind")).toString().matchAll(/\d+/g)].map(Number),
  };

  function placeProgram(name: string, script: string, mode = 0o755): void {
    writeFileSync(join(directory, name), script, "latin1");
    chmodSync(join(directory, name), mode);
  }
}

/** A shell script, byte for byte a letter, that takes the number of its run, counted by plugin, and does what that run did. */
function toScript(runs: readonly Run[], sleepSeconds: number): string {
  const turns = runs.map((run, index) => {
    const { before = "", after = "" } = misbehaviourOf(run, sleepSeconds);
    const read = run.request.length === 0 ? "" : 'cat >"$0.$turn.request"';
    return [`${index + 1})`, read, before, `printf %s ${quote(run.stdout.toString("latin1"))}`, after, ";;"];
  });
  return [
    "#!/bin/sh",
    'turn=1; while [ -e "$0.$turn.began" ]; do turn=$((turn + 1)); done; : >"$0.$turn.began"',
    "case $turn in",
    ...turns.flat(),
    // A run too many is to be seen, not to be mistaken for another fault.
    `*) cat >"$0.$turn.request"; echo '{}' ;;`,
    "esac\n",
  ].join("\n");
}

/** What a misbehaving plugin does before and after it prints. The titles of the cases say so in words. */
function misbehaviours(sleepSeconds: number): Readonly<Record<string, { before?: string; after?: string }>> {
  return {
    "exit1-error": { after: "exit 1" },
    "exit1-json": { after: "exit 1" },
    "exit2-garbage": { after: "exit 2" },
    "killed-json": { after: "kill -KILL $$" },
    sleep3: { before: `sleep ${sleepSeconds}` },
    "hold-stdout": { after: 'sleep 6 <&0 & echo $! >>"$(dirname "$0")/left-behind"' },
  };
}

/** A case named `<what>@<stage>` has a plugin that misbehaves so, at that stage only. */
function misbehaviourOf({ caseName, plugin, state, who }: Run, sleepSeconds: number) {
  const [what = "", stage = ""] = caseName.split("@");
  const at = `${who === "sandbox" ? "pod" : "ctr"}-${state}`;
  return plugin === "recorder" && at === stage ? (misbehaviours(sleepSeconds)[what] ?? {}) : {};
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function readIfThere(path: string): Buffer {
  return existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
}
