import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { listenTrunks } from "../src/tools/runtime/runtime.js";
import { RuntimeLink } from "../src/tools/runtime/runtime-plugin.js";
import { BridgeProcess, endProgram } from "./built-bridge.js";
import { findGoAdapter, startBareAdapter } from "./go-adapter.js";
import { type Candidate, interleave, type Samples } from "./measure.js";
import type { Place } from "./place.js";

export const startNames = {
  node: "node with an empty script",
  bridge: "from exec to RegisterPlugin",
  go: "the Go adapter: from exec to RegisterPlugin",
} as const;

/** How long the built program takes until it has registered, beside what Node takes for nothing. */
export async function measureStart(place: Place, rounds: number): Promise<Samples[]> {
  const files = new BridgeProcess(place, { name: "start", plugins: ["tiny"] });
  let onLink: (link: RuntimeLink) => void = () => {};
  const listener = await listenTrunks(files.socketPath, (trunk) => onLink(new RuntimeLink(trunk)));
  const node: Candidate = {
    name: startNames.node,
    async run() {
      await once(spawn(process.execPath, ["-e", "0"], { stdio: "ignore" }), "exit");
      return undefined;
    },
  };
  let end = async () => {};
  const registering = (name: string, start: () => ChildProcess): Candidate => ({
    name,
    async run() {
      const began = performance.now();
      const connected = new Promise<RuntimeLink>((resolve) => {
        onLink = resolve;
      });
      const child = start();
      const link = await connected;
      await link.registered(10_000);
      const took = (performance.now() - began) * 1000;
      end = async () => {
        await endProgram(child);
        link.close();
      };
      return took;
    },
    async settle() {
      await end();
      await sleep(50);
    },
  });
  const adapter = findGoAdapter();
  const candidates = [
    node,
    registering(startNames.bridge, () => files.start()),
    ...(adapter === undefined ? [] : [registering(startNames.go, () => startBareAdapter(adapter, files.socketPath))]),
  ];
  const samples = await interleave(candidates, { rounds, warmUp: 1, pauseMs: 20 });
  await listener.close();
  return samples;
}
