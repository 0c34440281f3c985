import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { startBridge } from "./built-bridge.js";
import { ContainerLife } from "./container-life.js";
import { Containers } from "./containers.js";
import { installProgram } from "./place.js";

/** A CPU profile of the built bridge under events: node scripts/bench.mjs profile --plugins 1 --lives 1000 --out folder */
const { values } = parseArgs({
  options: {
    plugins: { type: "string", default: "1" },
    lives: { type: "string", default: "1000" },
    out: { type: "string", default: ".cache/bench/profile" },
  },
});
const place = installProgram();
const containers = await Containers.open(place.directory);
const nodeFlags = ["--cpu-prof", "--cpu-prof-interval", "200", "--cpu-prof-dir", resolve(values.out)];
const plugins = new Array<string>(Number(values.plugins)).fill("tiny");
const bridge = await startBridge(place, { name: "profiled", plugins, nodeFlags });
const life = new ContainerLife("profiled", bridge, containers);
for (let i = 0; i < Number(values.lives); i++) await life.whole();
await bridge.close();
containers.close();
place.remove();
console.log(`written to ${values.out}`);
