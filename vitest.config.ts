import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**", "test/soak/**"],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // Real processes and clocks on a shared machine: what fails twice in a row is a fault.
    retry: process.env.CI === undefined ? 0 : 1,
    pool: "forks",
  },
});
