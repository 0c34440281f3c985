import { spawn } from "node:child_process";
import { cpus } from "node:os";
import { onTestFinished } from "vitest";

/** A program for each processor that uses it without end, for as long as the test runs, and never longer than a minute. */
export function burnProcessors(): void {
  for (const _ of cpus()) {
    const child = spawn("timeout", ["60", "sh", "-c", "while :; do :; done"], { stdio: "ignore" });
    onTestFinished(async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      // timeout(1) hands the signal on.
      child.kill("SIGTERM");
      await ended;
    });
  }
}
