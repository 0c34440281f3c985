import { join } from "node:path";
import { BuiltBridge } from "./built-bridge.js";
import { ContainerLife } from "./container-life.js";
import { Containers } from "./containers.js";
import { createFloor } from "./floor.js";
import { fixture, installProgram, sources } from "./place.js";

const place = installProgram();
const containers = await Containers.open(fixture, place.directory);
const n = Number(process.env.PLUGINS ?? 0);
const bridge = await BuiltBridge.start(place, {
  name: "one",
  plugins: new Array<string>(n).fill("tiny"),
  nodeFlags: (process.env.FLAGS ?? "").split(" ").filter(Boolean),
});
const life = new ContainerLife("one", bridge, containers);
const t: number[][] = [[], []];
const floor = createFloor("f", sources, place.directory, 1700, [join(place.binDir, "tiny"), "invoke"]);
const fl: number[] = [];
for (let i = 0; i < Number(process.env.LIVES ?? 1000); i++) {
  for (const k of [0, 1]) {
    const us = await life.run();
    if (i > 200) t[k]?.push(us);
    await life.settle();
  }
  const f = (await floor?.run()) ?? 0;
  if (i > 200) fl.push(f);
}
const med = (a: number[] | undefined) => [...(a ?? [])].sort((x, y) => x - y)[Math.floor((a?.length ?? 0) / 5)];
console.log("floor", med(fl), "start p50", med(t[0]), "stop p50", med(t[1]));
floor?.close();
await bridge.close();
containers.close();
place.remove();
