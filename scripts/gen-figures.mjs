// Writes the row of measured figures in README.md's table beside the Go adapter, from docs/benchmark.json (`npm run bench` with
// NRI_BENCH_GO_ADAPTER). With --check it writes nothing and fails when the row is not up to date.
import { readFileSync } from "node:fs";
import { writeOrCheck } from "./write-or-check.mjs";

const root = new URL("..", import.meta.url);
const { goals } = JSON.parse(readFileSync(new URL("docs/benchmark.json", root), "utf8"));

const goalOf = (what) => {
  const goal = goals.find((one) => one.what.startsWith(what));
  if (goal === undefined) throw new Error(`docs/benchmark.json has no goal "${what}"`);
  return goal;
};
const adapterOf = ({ what, note }) => {
  const figure = /the Go adapter: ([\d.]+)/.exec(note)?.[1];
  if (figure === undefined) throw new Error(`docs/benchmark.json has no Go adapter at "${what}": NRI_BENCH_GO_ADAPTER`);
  return Number(figure);
};

const tiny = goalOf("one tiny plugin, over posix_spawn");
const memory = goalOf("memory after");
const ahead = goalOf("Python plugin started ahead, over the Go adapter");
const head = "| time for an event with one tiny plugin, over a bare posix_spawn of it |";
const theirs = `${adapterOf(tiny).toFixed(1)}x, in ${adapterOf(memory).toFixed(0)} MB`;
const ours = `${tiny.value.toFixed(1)}x, in ${memory.value.toFixed(0)} MB`;
const why = "it reads the bundle, keeps the journal and looks at permissions meanwhile";
const python = `a Python plugin started ahead takes ${ahead.value.toFixed(2)}x the adapter's time`;
const row = `${head} ${theirs} | ${ours}: ${why}; ${python}: [docs/benchmark.md](docs/benchmark.md) |`;

const lines = readFileSync(new URL("README.md", root), "utf8").split("\n");
const at = lines.findIndex((line) => line.startsWith(head));
if (at < 0) throw new Error(`README.md lacks the row that begins with ${head}`);
writeOrCheck("README.md", lines.with(at, row).join("\n"));
