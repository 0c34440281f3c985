import { defineConfig } from "vitest/config";

/** The recorded cases on their own, each with its title and source. */
export default defineConfig({
  test: {
    include: ["test/conformance/**/*.test.ts"],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    pool: "forks",
    reporters: ["verbose"],
  },
});
