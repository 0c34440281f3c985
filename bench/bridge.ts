import { join } from "node:path";
import { parseArgs } from "node:util";

import { Containers } from "./containers.js";
import { noAdapter } from "./go-adapter.js";
import { formatGoals, type Goal, type Skipped } from "./goals.js";
import { measureEvents, measurePython, medianMs, names } from "./latency.js";
import type { Samples } from "./measure.js";
import { frugalFlags, measureMemory } from "./memory.js";
import { measurePeerMemory } from "./peer.js";
import { fixture, installProgram } from "./place.js";
import { formatTable, type Report, toRows, writeJson, writeTable } from "./report.js";
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
const containers = await Containers.open(fixture, place.directory);
const goals: Goal[] = [];
const skipped: Skipped[] = [];
const reports: Report[] = [];
const { artefact } = place;

try {
  if (parts.includes("events")) await events();
  if (parts.includes("python")) await python();
  if (parts.includes("start")) await start();
  if (parts.includes("synchronize")) await synchronize();
  if (parts.includes("memory")) await memory();
} finally {
  containers.close();
  place.remove();
}
console.log(formatGoals(goals, skipped));
if (values.out !== "") {
  writeJson(join(values.out, "benchmark.json"), { artefact, goals, skipped, reports });
  writeTable(join(values.out, "benchmark.md"), formatGoals(goals, skipped), reports, artefact);
}

/** A goal in times the peer's median, or that there is no peer; being faster than it is the goal. */
function overPeer(what: string, samples: readonly Samples[], name: string, peer: string): void {
  const [ours, its] = [medianMs(samples, name), medianMs(samples, peer)];
  if (Number.isNaN(its)) skipped.push({ what: `${what}, over the Go adapter`, reason: noAdapter });
  else {
    const note = `the Go adapter: ${its.toFixed(2)} ms; ours: ${ours.toFixed(2)} ms`;
    goals.push({ what: `${what}, over the Go adapter`, value: ours / its, unit: "x", below: 1, note });
  }
}

function report(title: string, samples: Parameters<typeof toRows>[0], floor: string): void {
  const made = { title, artefact, rows: toRows(samples, floor) };
  reports.push(made);
  console.log(`${formatTable(made)}\n`);
}

async function events(): Promise<void> {
  const { samples, blocked } = await measureEvents(place, containers, { rounds, root });
  const ms = (name: string) => medianMs(samples, name);
  report("Events", samples, names.spawn);
  const times = (what: string, value: number, below: number, note: string) =>
    goals.push({ what, value, unit: "x", below, note });
  times("event without plugins, over the raw round trip", ms(names.none) / ms(names.raw), 8, `over "${names.raw}"`);
  goals.push({ what: "event without plugins", value: ms(names.none), unit: "ms", below: 0.15, note: "" });
  // Without an adapter in this run: what it was on another machine.
  const go = (name: string, elsewhere: string) => {
    const here = ms(name) / ms(names.spawn);
    return `the Go adapter: ${Number.isNaN(here) ? elsewhere : `${here.toFixed(2)}x`}`;
  };
  times("one tiny plugin, over posix_spawn", ms(names.one) / ms(names.spawn), 1.8, go(names.goOne, "2.4x"));
  times("three tiny plugins, over posix_spawn", ms(names.three) / ms(names.spawn), 4.8, go(names.goThree, "5.4x"));
  overPeer("event without plugins", samples, names.none, names.goNone);
  overPeer("one tiny plugin", samples, names.one, names.goOne);
  overPeer("three tiny plugins", samples, names.three, names.goThree);
  goals.push({
    what: "`async` plugin, added to the event",
    value: ms(names.async) - ms(names.none),
    unit: "ms",
    below: 0.3,
    note: "over the event without plugins",
  });
  if (root) {
    const value = ms(names.captured) - ms(names.create);
    goals.push({ what: "captured view, added to a run", value, unit: "ms", below: 3, note: "in phase create" });
  } else skipped.push({ what: "captured view, added to a run", reason: "not root" });
  times("one tiny plugin at 450 MB of heap, over 60 MB", ms(names.heap450) / ms(names.heap60), 1.2, "");
  const note = `over an event without plugins; ${blocked.event.toFixed(2)} ms for the whole event, its journal, log and share of a removal`;
  goals.push({ what: "main thread blocked per run", value: blocked.run, unit: "ms", below: 0.3, note });
}

async function python(): Promise<void> {
  const samples = await measurePython(place, containers, Math.ceil(rounds / 8));
  const what = "Python plugin started ahead, over its cold posix_spawn";
  if (samples === undefined) skipped.push({ what, reason: "no Python" });
  else {
    report("Python plugin", samples, names.python);
    overPeer("Python plugin", samples, names.cold, names.goPython);
    overPeer("Python plugin started ahead", samples, names.ahead, names.goPython);
    const value = medianMs(samples, names.ahead) / medianMs(samples, names.python);
    goals.push({ what, value, unit: "x", below: 0.4, note: "" });
  }
}

async function start(): Promise<void> {
  const samples = await measureStart(place, Math.max(5, Math.ceil(rounds / 40)));
  report("Start", samples, startNames.node);
  const go = medianMs(samples, startNames.go);
  const peer = Number.isNaN(go) ? "" : `; the Go adapter: ${go.toFixed(0)} ms`;
  const note = `node alone: ${medianMs(samples, startNames.node).toFixed(0)} ms${peer}`;
  goals.push({
    what: "registered after exec",
    value: medianMs(samples, startNames.bridge),
    unit: "ms",
    below: 150,
    note,
  });
}

async function synchronize(): Promise<void> {
  const { ms, messages, loopBlockedMs } = await measureSynchronize(place, await containers.next(), 5_000);
  const what = "Synchronize of 5,000 pods and 10,000 containers";
  goals.push({ what, value: ms, unit: "ms", below: 500, note: `${messages} messages` });
  const note = "until all of them are adopted";
  goals.push({ what: "event loop blocked by that", value: loopBlockedMs, unit: "ms", below: 100, note });
}

async function memory(): Promise<void> {
  const count = Number(values.events);
  const { rssMb, heapGrowthMb, rssGrowthMb, frugalMb, idleMb } = await measureMemory(place, containers, count);
  const go = await measurePeerMemory(place, containers, count);
  const peer = go && `; the Go adapter: ${go.rssMb.toFixed(1)} MB, ${go.idleMb.toFixed(1)} MB before`;
  const note = `resident; ${idleMb.toFixed(1)} MB before the first; ${frugalMb.toFixed(1)} MB with ${frugalFlags.join(" ")}${peer ?? ""}`;
  goals.push({ what: `memory after ${count} events`, value: rssMb, unit: "MB", below: 75, note });
  const growth = `heap in use after collection; resident ${rssGrowthMb >= 0 ? "+" : ""}${rssGrowthMb.toFixed(1)} MB`;
  goals.push({ what: `growth over ${count} more`, value: heapGrowthMb, unit: "MB", below: 1, note: growth });
}
