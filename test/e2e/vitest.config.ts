import { defineConfig } from "vitest/config";

/** The end-to-end suites: real container runtimes, so one file at a time and minutes instead of seconds. */
export default defineConfig({
  test: {
    include: ["test/e2e/**/*.test.ts"],
    globalSetup: ["test/e2e/global-setup.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Real processes and clocks on a shared machine: what fails twice in a row is a fault.
    retry: process.env.CI === undefined ? 0 : 1,
    pool: "forks",
    fileParallelism: false,
  },
});
