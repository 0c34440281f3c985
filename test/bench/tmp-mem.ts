import { BuiltBridge } from "./built-bridge.js";
import { ContainerLife } from "./container-life.js";
import { Containers } from "./containers.js";
import { fixture, installProgram } from "./place.js";

const place = installProgram();
const containers = await Containers.open(fixture, place.directory);
const bridge = await BuiltBridge.start(place, {
  name: "one",
  plugins: ["tiny"],
  ...(process.env.PROBE ? { probe: {} } : {}),
  nodeFlags: (process.env.FLAGS ?? "").split(" ").filter(Boolean),
});
const life = new ContainerLife("one", bridge, containers);
const t: number[] = [];
const idle = bridge.rss();
for (let i = 0; i < 3000; i++)
  for (let k = 0; k < 2; k++) {
    const us = await life.run();
    if (i > 500) t.push(us);
    await life.settle();
  }
t.sort((x, y) => x - y);
const q = (p: number) => (t[Math.floor(t.length * p)] ?? 0).toFixed(0);
console.log(
  "idle",
  (idle / 2 ** 20).toFixed(1),
  "rss",
  (bridge.rss() / 2 ** 20).toFixed(1),
  "p20",
  q(0.2),
  "p50",
  q(0.5),
  "p90",
  q(0.9),
  "p99",
  q(0.99),
);

import { readFileSync, writeFileSync } from "node:fs";

const pid = Reflect.get(bridge, "child").pid;
writeFileSync("/tmp/smaps", readFileSync(`/proc/${pid}/smaps`));
writeFileSync("/tmp/probe.txt", JSON.stringify(process.env.PROBE ? await bridge.probe() : {}));
await new Promise((r) => setTimeout(r, 300));
console.log("after gc", (bridge.rss() / 2 ** 20).toFixed(1));
await bridge.close();
containers.close();
place.remove();
