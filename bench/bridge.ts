import { join } from "node:path";
import { parseArgs } from "node:util";
import { Containers } from "./containers.js";
import { noAdapter } from "./go-adapter.js";
import { measureEvents, measurePython, medianMs, names } from "./latency.js";
import type { Samples } from "./measure.js";
import { frugalFlags, measureMemory, measurePeerMemory } from "./memory.js";
import { installProgram } from "./place.js";
import {
  formatGoals,
  formatTable,
  type Goal,
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
    /** Only these parts, by a comma: events, python, memory, synchronize, start. */
    only: { type: "string", default: "events,python,start,synchronize,memory" },
    /** Where benchmark.json and .md are written; nothing is where it is "". */
    out: { type: "string", default: "docs" },
    events: { type: "string", default: "10000" },
  },
});
const rounds = Number(values.rounds);
const parts = values.only.split(",");
const place = installProgram();
const root = process.geteuid?.() === 0;
const containers = await Containers.open(place.directory);
const goals: Goal[] = [];
const skipped: Skipped[] = [];
const reports: Report[] = [];
const { artefact } = place;

try {
  for (const [part, measure] of Object.entries({ events, python, start, synchronize, memory })) {
    if (parts.includes(part)) await measure();
  }
} finally {
  containers.close();
  place.remove();
}
console.log(formatGoals(goals, skipped));
if (values.out !== "") {
  writeJson(join(values.out, "benchmark.json"), { artefact, goals, skipped, reports });
  const tables = reports.map((report) => `\`\`\`\n${formatTable(report)}\n\`\`\``);
  const content = [formatGoals(goals, skipped), ...tables].join("\n\n");
  writeMeasured(join(values.out, "benchmark.md"), "measured", `; ${artefact}.\n\n${content}`);
}

function goal(what: string, value: number, below: number, unit: Goal["unit"], note = ""): void {
  goals.push({ what, value, below, unit, note });
}

/** A goal in times the peer's median, or that there is no peer; being faster than it is the goal. */
function overPeer(what: string, samples: readonly Samples[], name: string, peer: string): void {
  const [ours, its] = [medianMs(samples, name), medianMs(samples, peer)];
  if (Number.isNaN(its)) skipped.push({ what: `${what}, over the Go adapter`, reason: noAdapter });
  else {
    const note = `the Go adapter: ${its.toFixed(2)} ms; ours: ${ours.toFixed(2)} ms`;
    goal(`${what}, over the Go adapter`, ours / its, 1, "x", note);
  }
}

function report(title: string, samples: readonly Samples[], floor: string): void {
  const made = { title, artefact, rows: toRows(samples, floor) };
  reports.push(made);
  console.log(`${formatTable(made)}\n`);
}

async function events(): Promise<void> {
  const { samples, blocked } = await measureEvents(place, containers, rounds, root);
  const ms = (name: string) => medianMs(samples, name);
  report("Events", samples, names.spawn);
  goal("event without plugins, over the raw round trip", ms(names.none) / ms(names.raw), 8, "x", `over "${names.raw}"`);
  goal("event without plugins", ms(names.none), 0.15, "ms");
  const overSpawn = (name: string) => ms(name) / ms(names.spawn);
  // Without an adapter in this run: what it was on another machine.
  const go = (name: string, elsewhere: string) =>
    `the Go adapter: ${Number.isNaN(ms(name)) ? elsewhere : `${overSpawn(name).toFixed(2)}x`}`;
  goal("one tiny plugin, over posix_spawn", overSpawn(names.one), 1.8, "x", go(names.goOne, "2.4x"));
  goal("three tiny plugins, over posix_spawn", overSpawn(names.three), 4.8, "x", go(names.goThree, "5.4x"));
  overPeer("event without plugins", samples, names.none, names.goNone);
  overPeer("one tiny plugin", samples, names.one, names.goOne);
  overPeer("three tiny plugins", samples, names.three, names.goThree);
  const added = ms(names.async) - ms(names.none);
  goal("`async` plugin, added to the event", added, 0.3, "ms", "over the event without plugins");
  const view = "captured view, added to a run";
  if (root) goal(view, ms(names.captured) - ms(names.create), 3, "ms", "in phase create");
  else skipped.push({ what: view, reason: "not root" });
  goal("one tiny plugin at 450 MB of heap, over 60 MB", ms(names.heap450) / ms(names.heap60), 1.2, "x");
  const note = `over an event without plugins; ${blocked.event.toFixed(2)} ms for the whole event, its journal, log and share of a removal`;
  goal("main thread blocked per run", blocked.run, 0.3, "ms", note);
}

async function python(): Promise<void> {
  const samples = await measurePython(place, containers, Math.ceil(rounds / 8));
  const what = "Python plugin started ahead, over its cold posix_spawn";
  if (samples === undefined) skipped.push({ what, reason: "no Python" });
  else {
    report("Python plugin", samples, names.python);
    overPeer("Python plugin", samples, names.cold, names.goPython);
    overPeer("Python plugin started ahead", samples, names.ahead, names.goPython);
    goal(what, medianMs(samples, names.ahead) / medianMs(samples, names.python), 0.4, "x");
  }
}

async function start(): Promise<void> {
  const samples = await measureStart(place, Math.max(5, Math.ceil(rounds / 40)));
  report("Start", samples, startNames.node);
  const go = medianMs(samples, startNames.go);
  const peer = Number.isNaN(go) ? "" : `; the Go adapter: ${go.toFixed(0)} ms`;
  const note = `node alone: ${medianMs(samples, startNames.node).toFixed(0)} ms${peer}`;
  goal("registered after exec", medianMs(samples, startNames.bridge), 150, "ms", note);
}

async function synchronize(): Promise<void> {
  const { ms, messages, loopBlockedMs } = await measureSynchronize(place, await containers.next(), 5_000);
  goal("Synchronize of 5,000 pods and 10,000 containers", ms, 500, "ms", `${messages} messages`);
  goal("event loop blocked by that", loopBlockedMs, 100, "ms", "until all of them are adopted");
}

async function memory(): Promise<void> {
  const count = Number(values.events);
  const { rssMb, heapGrowthMb, rssGrowthMb, frugalMb, idleMb } = await measureMemory(place, containers, count);
  const go = await measurePeerMemory(place, containers, count);
  const peer = go && `; the Go adapter: ${go.rssMb.toFixed(1)} MB, ${go.idleMb.toFixed(1)} MB before`;
  const note = `resident; ${idleMb.toFixed(1)} MB before the first; ${frugalMb.toFixed(1)} MB with ${frugalFlags.join(" ")}${peer ?? ""}`;
  goal(`memory after ${count} events`, rssMb, 75, "MB", note);
  const growth = `heap in use after collection; resident ${rssGrowthMb >= 0 ? "+" : ""}${rssGrowthMb.toFixed(1)} MB`;
  goal(`growth over ${count} more`, heapGrowthMb, 1, "MB", growth);
}
