import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import type { Snapshot } from "../../src/tools/runtime/runtime-plugin.js";
import { statOf, until } from "../plugin/processes.js";
import type { RunningProgram } from "../support/program.js";
import { logLines } from "./support/log-lines.js";
import { memoryOf } from "./support/processes.js";
import { lifeOf, nthContainer, nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

/** Above every pid that Linux gives (2^22). */
const noProcess = 5_000_000;

const megabytes = (number: number) => `${number.toFixed(1)} MB`;

// That it stays flat over many events: the soak.
describe("the bridge's memory", () => {
  it("holds a node's 5,000 pods and 10,000 containers, and gives them back", { timeout: 60_000 }, async () => {
    const snapshots = [empty, fullNode(1), empty, fullNode(2), empty, fullNode(3)];
    const snapshot = () => snapshots.shift() ?? empty;
    const node = new TestNode({
      // A test that shares its processors needs long for so long a message, on both ends.
      runtime: { version: "v2.0.5", requestTimeoutMs: 10_000, snapshot, synchronizeSize: 2_000 },
      // Node takes memory before it tidies up; three nodes as full as this do not fit, and would end the program.
      own: { NODE_OPTIONS: "--max-old-space-size=160" },
    });
    node.writeConf();
    const { program, pid, runtime } = await node.connect();
    const figures = [`before ${megabytes(memoryOf(pid, "VmRSS"))}`];
    const withAll: number[] = [];
    for (let turn = 1; turn <= 5; turn++) {
      const isFull = turn % 2 === 1;
      // Other events are asked for, so it registers anew, and is told all that there is.
      node.writeConfig({ states: isFull ? ["create", "update", "delete"] : ["create", "delete"] });
      program.child.kill("SIGHUP");
      const plugin = await runtime.accept(Deadline.after(10_000));
      await until(() => tookStock(program).length > turn);
      expect(tookStock(program).at(-1)).toMatchObject(isFull ? { adopt: 15_000 } : { gone: 15_000 });
      // It serves while it looks at what is new, and takes leave of what is gone.
      for (const [name, subject] of lifeOf(900_000 + turn)) {
        expect(await plugin.call(name, subject)).toMatchObject({ dropped: false, response: { update: [] } });
      }
      await untilIdle(pid);
      if (isFull) withAll.push(memoryOf(pid, "VmRSS"));
      figures.push(`${isFull ? "with 15,000" : "with none"} ${megabytes(memoryOf(pid, "VmRSS"))}`);
    }
    console.log(`memory with 5,000 pods and 10,000 containers: ${figures.join(", ")}`);
    expect(Math.max(...withAll)).toBeLessThan(400);
    expect(program.child.exitCode).toBeNull();
  });
});

const empty = { pods: [], containers: [] };

/** The pods and containers of a full node; another time others. */
function fullNode(time: number): Snapshot {
  const numbers = Array.from({ length: 5_000 }, (_, n) => time * 10_000 + n);
  return {
    pods: numbers.map((n) => ({ ...nthPod(n), pid: noProcess + n })),
    containers: numbers.flatMap((n) => [0, 1].map((which) => ({ ...nthContainer(n, which), pid: noProcess + n }))),
  };
}

/** Waits until a process has nothing more to do: for a while it neither runs nor wants to. */
async function untilIdle(pid: number): Promise<void> {
  for (let looks = 0, asleep = 0; asleep < 10 && looks < 400; looks++) {
    asleep = statOf(pid)?.state === "S" ? asleep + 1 : 0;
    await sleep(40);
  }
}

const tookStock = (program: RunningProgram) => logLines(program).filter(({ adopt }) => adopt !== undefined);
