import { spawn } from "node:child_process";
import { afterAll, beforeAll } from "vitest";

/** How long to fuzz, in seconds for each file: a few in `npm run test:slow`; a long run is FUZZ_SECONDS=600. */
export const seconds = Number(process.env.FUZZ_SECONDS ?? 8);

const anew = process.env.FUZZ_SECONDS === undefined ? 20_261_121 : Math.floor(Math.random() * 2 ** 31);

/** FUZZ_SEED makes a run again. The short run has one seed; a long one takes a new one each time, and prints it. */
export const seed = Number(process.env.FUZZ_SEED ?? anew);

/** As many inputs as there is time for. */
export const parametersFor = (ms: number) =>
  ({
    ...{ seed, numRuns: Number.MAX_SAFE_INTEGER },
    ...{ interruptAfterTimeLimit: ms, markInterruptAsFailure: false },
  }) as const;

/**
 * What was tried, printed at the end. It ends this process after a while: nothing in it could, if reading something never
 * came to an end.
 */
export function watchRun(): string[] {
  const counts: string[] = [];
  let stop = () => {};
  beforeAll(() => {
    const script = `sleep ${Math.ceil(seconds * 4 + 120)}; kill -KILL ${process.pid}`;
    const { pid } = spawn("sh", ["-c", script], { stdio: "ignore", detached: true });
    stop = () => {
      if (pid !== undefined) process.kill(-pid, "SIGKILL");
    };
  });
  afterAll(() => {
    stop();
    console.log(`FUZZ_SEED=${seed}, ${seconds} s; tried:\n  ${counts.join("\n  ")}`);
  });
  return counts;
}
