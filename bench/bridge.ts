import { join } from "node:path";
import { parseArgs } from "node:util";
import { Containers } from "./containers.js";
import { noAdapter } from "./go-adapter.js";
import { measureClosedLoop, noGoRuntime } from "./go-runtime.js";
import { measureEvents, measurePython, medianMs, names, titleOf, versusGo } from "./latency.js";
import type { Samples } from "./measure.js";
import { frugalFlags, measureMemory, measurePeerMemory } from "./memory.js";
import { installProgram } from "./place.js";
import {
  formatGoals,
  formatTable,
  type Goal,
  padColumns,
  type Report,
  type Skipped,
  toRows,
  writeJson,
  writeMeasured,
} from "./report.js";
import { measureStart, startNames } from "./startup.js";
import { measureSynchronize } from "./synchronize.js";

/** The built bridge against floors and goals: run by `npm run bench`, which builds it first. */
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "500" },
    /** Only these parts, by a comma. */
    only: { type: "string", default: "events,loop,python,start,synchronize,memory" },
    /** Where benchmark.json and .md are written; nothing is where it is "". */
    out: { type: "string", default: "docs" },
    events: { type: "string", default: "5000" },
  },
});
const rounds = Number(values.rounds);
/** CPU microseconds of an event with one tiny plugin before plugins were started early, on the machine of docs/benchmark.md. */
const cpuBefore = 1_600;
const parts = values.only.split(",");
const place = installProgram();
const root = process.geteuid?.() === 0;
const containers = await Containers.open(place.directory);
const goals: Goal[] = [];
const skipped: Skipped[] = [];
const reports: Report[] = [];
/** Tables of another form. */
const texts: string[] = [];
const { artefact } = place;

try {
  for (const [part, measure] of Object.entries({ events, loop, python, start, synchronize, memory })) {
    if (parts.includes(part)) await measure();
  }
} finally {
  containers.close();
  place.remove();
}
console.log(formatGoals(goals, skipped));
if (values.out !== "") {
  writeJson(join(values.out, "benchmark.json"), { artefact, goals, skipped, reports });
  const tables = [...reports.map(formatTable), ...texts].map((text) => `\`\`\`\n${text}\n\`\`\``);
  const content = [formatGoals(goals, skipped), ...tables].join("\n\n");
  writeMeasured(join(values.out, "benchmark.md"), "measured", `; ${artefact}.\n\n${content}`);
}

function goal(what: string, value: number, below: number, unit: Goal["unit"], note = ""): void {
  goals.push({ what, value, below, unit, note });
}

/** A goal in times the peer's median, or that there is no peer. */
function overPeer(what: string, samples: readonly Samples[], name: string, peer: string, below = 1): void {
  const [ours, its] = [medianMs(samples, name), medianMs(samples, peer)];
  if (Number.isNaN(its)) skipped.push({ what: `${what}, over the Go adapter`, reason: noAdapter });
  else {
    const note = `the Go adapter: ${its.toFixed(2)} ms; ours: ${ours.toFixed(2)} ms`;
    goal(`${what}, over the Go adapter`, ours / its, below, "x", note);
  }
}

function report(title: string, samples: readonly Samples[], floor: string): void {
  const made = { title, artefact, rows: toRows(samples, floor) };
  reports.push(made);
  console.log(`${formatTable(made)}\n`);
}

async function events(): Promise<void> {
  const { samples, paced, blocked } = await measureEvents(place, containers, rounds, root);
  const ms = (name: string) => medianMs(samples, name);
  report(titleOf(1, false), samples, names.spawn);
  for (const { title, samples: its } of paced) report(title, its, names.spawn);
  goal("event without plugins, over the raw round trip", ms(names.none) / ms(names.raw), 8, "x", `over "${names.raw}"`);
  goal("event without plugins", ms(names.none), 0.15, "ms");
  const overSpawn = (name: string) => ms(name) / ms(names.spawn);
  // Without an adapter in this run: what it was on another machine.
  const go = (name: string, elsewhere: string) =>
    `the Go adapter: ${Number.isNaN(ms(name)) ? elsewhere : `${overSpawn(name).toFixed(2)}x`}`;
  goal("one tiny plugin, over posix_spawn", overSpawn(names.one), 1.8, "x", go(names.goOne, "2.4x"));
  goal("three tiny plugins, over posix_spawn", overSpawn(names.three), 4.8, "x", go(names.goThree, "5.4x"));
  overPeer("event without plugins", samples, names.none, names.goNone, 0.75);
  overPeer("one tiny plugin", samples, names.one, names.goOne, 0.95);
  overPeer("three tiny plugins", samples, names.three, names.goThree, 0.85);
  for (const [gapMs, busy, below] of [
    [20, false, 1.2],
    [1, true, 1.25],
  ] as const) {
    const title = titleOf(gapMs, busy);
    const its = paced.find((one) => one.title === title)?.samples ?? [];
    overPeer(`one tiny plugin, ${title.toLowerCase()}`, its, names.one, names.goOne, below);
  }
  const cpuOf = (name: string) => samples.find((one) => one.name === name)?.cpu ?? Number.NaN;
  const goCpu = Number.isNaN(ms(names.goOne)) ? "" : `; the Go adapter: ${cpuOf(names.goOne).toFixed(0)} us`;
  const cpuNote = `the bridge's threads, its journal, log and share of a removal too${goCpu}`;
  goal("CPU time of an event with one tiny plugin", cpuOf(names.one), cpuBefore, "us", cpuNote);
  const added = ms(names.async) - ms(names.none);
  goal("`async` plugin, added to the event", added, 0.3, "ms", "over the event without plugins");
  const view = "captured view, added to a run";
  if (root) goal(view, ms(names.captured) - ms(names.create), 3, "ms", "in phase create");
  else skipped.push({ what: view, reason: "not root" });
  goal("one tiny plugin at 450 MB of heap, over 60 MB", ms(names.heap450) / ms(names.heap60), 1.2, "x");
  const note = `over an event without plugins; ${blocked.event.toFixed(2)} ms for the whole event, its journal, log and share of a removal`;
  goal("main thread blocked per run", blocked.run, 0.3, "ms", note);
}

async function loop(): Promise<void> {
  const samples = await measureClosedLoop(place, containers, rounds, versusGo);
  const what = "on NRI's own Go library, one event right after the other";
  if (samples === undefined) {
    skipped.push({ what, reason: noGoRuntime });
    return;
  }
  report(`Events ${what}`, samples, names.goNone);
  overPeer("closed loop, no plugin", samples, names.none, names.goNone);
  overPeer("closed loop, one tiny plugin", samples, names.one, names.goOne);
  overPeer("closed loop, three tiny plugins", samples, names.three, names.goThree);
}

async function python(): Promise<void> {
  const samples = await measurePython(place, containers, Math.ceil(rounds / 8));
  const what = "Python plugin started ahead, over its cold posix_spawn";
  if (samples === undefined) skipped.push({ what, reason: "no Python" });
  else {
    report("Python plugin", samples, names.python);
    overPeer("Python plugin", samples, names.cold, names.goPython);
    overPeer("Python plugin started ahead", samples, names.ahead, names.goPython, 0.35);
    goal(what, medianMs(samples, names.ahead) / medianMs(samples, names.python), 0.4, "x");
  }
}

async function start(): Promise<void> {
  const samples = await measureStart(place, Math.max(5, Math.ceil(rounds / 40)));
  report("Start", samples, startNames.node);
  const go = medianMs(samples, startNames.go);
  const peer = Number.isNaN(go) ? "" : `; the Go adapter: ${go.toFixed(0)} ms`;
  const note = `node alone: ${medianMs(samples, startNames.node).toFixed(0)} ms${peer}`;
  goal("registered after exec", medianMs(samples, startNames.bridge), 110, "ms", note);
}

async function synchronize(): Promise<void> {
  const { ms, messages, loopBlockedMs } = await measureSynchronize(place, await containers.next(), 5_000);
  goal("Synchronize of 5,000 pods and 10,000 containers", ms, 500, "ms", `${messages} messages`);
  goal("event loop blocked by that", loopBlockedMs, 100, "ms", "until all of them are adopted");
}

async function memory(): Promise<void> {
  const count = Number(values.events);
  const { artefacts, heapGrowthMb, rssGrowthMb, rememberedKb, wakes } = await measureMemory(place, containers, count);
  const go = await measurePeerMemory(place, containers, count);
  const peer = go && `; the Go adapter: ${go.rssMb.toFixed(1)} MB, ${go.idleMb.toFixed(1)} MB before`;
  const mb = (value: number | undefined) => (value === undefined ? "" : value.toFixed(1));
  const flags = frugalFlags.join(" ");
  const rows = artefacts.map(({ name, idleMb, rssMb, frugalMb }) => [name, mb(idleMb), mb(rssMb), mb(frugalMb)]);
  const table = padColumns([["", "at rest", `after ${count} events`, `and with ${flags}`], ...rows]);
  texts.push(["Resident memory (MB)", ...table.map((row) => row.join("  ").trimEnd())].join("\n"));
  console.log(`${texts.at(-1)}\n`);
  const [{ idleMb, rssMb, frugalMb = Number.NaN } = { idleMb: Number.NaN, rssMb: Number.NaN }] = artefacts;
  goal(`memory after ${count} events`, rssMb, 82, "MB", `resident; ${mb(idleMb)} MB before the first${peer ?? ""}`);
  goal("the same, told to be frugal", frugalMb, 70, "MB", flags);
  const growth = `heap in use after collection; resident ${rssGrowthMb >= 0 ? "+" : ""}${rssGrowthMb.toFixed(1)} MB`;
  goal(`growth over ${count} more`, heapGrowthMb, 1, "MB", growth);
  goal("memory of a remembered id", rememberedKb, 4, "KB", "heap and buffers, over 1,000 containers that run");
  goal("wakes of a bridge at rest", wakes, 1.1, "/s", "of all its threads, over 10 s");
}
