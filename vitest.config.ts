import { defineConfig } from "vitest/config";

/** Which tests a project takes, by the end of their files' names: `x.test.ts` is pure, `x.process.test.ts` starts processes. */
const others = ["process", "clock", "slow"] as const;
const named = (kind: (typeof others)[number]) => [`test/**/*.${kind}.test.ts`];
const aside = ["test/e2e/**", "test/soak/**", "test/node/**"];

/** The same for all: what differs between the machines of those who run the tests. */
const setupFiles = ["test/support/setup.ts"];

/** Real processes on a shared machine: in CI, what fails twice in a row is a fault. */
const retry = process.env.CI === undefined ? 0 : 1;
const processes = { pool: "forks", testTimeout: 20_000, hookTimeout: 20_000, retry, setupFiles };

/** `npm test` runs the first three, `npm run test:slow` the fourth. Those of one `groupOrder` run side by side. */
export default defineConfig({
  test: {
    projects: [
      {
        // Starts nothing and waits for nothing, so that all files can share one process.
        test: {
          name: "pure",
          include: ["test/**/*.test.ts"],
          exclude: [...others.flatMap(named), ...aside],
          pool: "forks",
          setupFiles,
          isolate: false,
          // Nothing here takes long, but for a busy machine.
          testTimeout: 20_000,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "process",
          include: named("process"),
          ...processes,
          isolate: false,
          maxWorkers: 4,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Says how long something takes: one file at a time, with the machine to itself.
        test: { name: "clock", include: named("clock"), ...processes, maxWorkers: 1, sequence: { groupOrder: 2 } },
      },
      {
        // Slow by nature: fuzzing, memory, a busy machine, ratios of times, what is deployed.
        test: {
          ...{ name: "slow", include: named("slow"), ...processes, testTimeout: 60_000 },
          ...{ maxWorkers: 1, sequence: { groupOrder: 3 } },
        },
      },
      {
        test: { name: "soak", include: ["test/soak/**/*.test.ts"], pool: "forks", testTimeout: 900_000 },
      },
      {
        // Real container runtimes: one file at a time, minutes instead of seconds.
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["test/e2e/global-setup.ts"],
          ...{ pool: "forks", testTimeout: 120_000, hookTimeout: 120_000, retry, fileParallelism: false },
          sequence: { groupOrder: 4 },
        },
      },
      {
        // A whole node in an emulator: one file at a time, minutes instead of seconds, and once more where it did not do.
        test: {
          name: "node",
          include: ["test/node/**/*.test.ts"],
          globalSetup: ["test/node/setup.ts"],
          ...{ pool: "forks", testTimeout: 1_800_000, hookTimeout: 1_800_000, retry: 1, fileParallelism: false },
          sequence: { groupOrder: 5 },
        },
      },
    ],
  },
});
