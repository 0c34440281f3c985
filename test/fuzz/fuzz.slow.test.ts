import fc from "fast-check";
import { describe, it } from "vitest";
import { mutated } from "./mutations.js";
import { parametersFor, seconds, seed, watchRun } from "./run.js";
import { faultOf, type Target, targets } from "./targets.js";

const targetMs = (seconds * 1000) / targets.length;
const counts = watchRun();

/** The processor's time, in milliseconds, that reading may take: so much for each byte, and a pause to collect garbage. */
const allowedMs = ({ length }: Uint8Array) => 500 + length / 20;

/** What is wrong with how bytes are read; undefined when nothing is. */
function tryOut(target: Target, bytes: Uint8Array): string | undefined {
  const before = process.cpuUsage();
  try {
    target.read(bytes);
  } catch (thrown) {
    const fault = faultOf(thrown, target);
    if (fault !== undefined) return fault;
  }
  const { user, system } = process.cpuUsage(before);
  const tookMs = (user + system) / 1000;
  return tookMs > allowedMs(bytes) ? `${bytes.length} bytes took ${tookMs} ms of the processor` : undefined;
}

describe("what others wrote is read, or refused with an error of its own, soon", () => {
  it.each(targets.map((target) => [target.title, target] as const))(
    "%s",
    (_, target) => {
      let runs = 0;
      const property = fc.property(mutated(target.examples), (bytes) => {
        runs += 1;
        const fault = tryOut(target, bytes);
        if (fault === undefined) return;
        throw new Error(`${fault}\nFUZZ_SEED=${seed}: ${Buffer.from(bytes).toString("base64")}`);
      });
      // The first ones pay for the compiler.
      for (const example of target.examples) tryOut(target, example);
      fc.assert(property, parametersFor(targetMs));
      counts.push(`${runs} ${target.title}`);
    },
    targetMs * 4 + 60_000,
  );
});
