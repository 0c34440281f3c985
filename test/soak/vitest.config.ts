import { defineConfig } from "vitest/config";

/** The soak: one long test, of some two or three minutes on a calm machine. */
export default defineConfig({
  test: {
    include: ["test/soak/**/*.test.ts"],
    testTimeout: 900_000,
    pool: "forks",
  },
});
