import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { acceptLink } from "./accept.js";
import { BridgeProcess } from "./built-bridge.js";
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
  const [first, ...others] = place.artefacts.map((artefact) => {
    return {
      artefact,
      files: new BridgeProcess(place, { name: `start-${artefact.name}`, plugins: ["tiny"], artefact }),
    };
  });
  if (first === undefined) throw new Error("unreachable");
  let end = async () => {};
  const registering = (name: string, start: () => ChildProcess, { socketPath } = first.files): Candidate => ({
    name,
    async run() {
      const accepted = await acceptLink(socketPath, start);
      await accepted.link.registered(10_000);
      end = accepted.end;
      return (performance.now() - accepted.startedAt) * 1000;
    },
    async settle() {
      await end();
      await sleep(50);
    },
  });
  const node: Candidate = {
    name: startNames.node,
    run: () => once(spawn(process.execPath, ["-e", "0"], { stdio: "ignore" }), "exit").then(() => undefined),
  };
  const adapter = findGoAdapter();
  const candidates = [
    node,
    registering(startNames.bridge, () => first.files.start()),
    ...others.map(({ artefact, files }) =>
      registering(`${startNames.bridge}, ${artefact.name}`, () => files.start(), files),
    ),
    ...(adapter === undefined
      ? []
      : [registering(startNames.go, () => startBareAdapter(adapter, first.files.socketPath))]),
  ];
  return await interleave(candidates, { rounds, warmUp: 1, pauseMs: 20 });
}
