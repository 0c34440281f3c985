import { spawn } from "node:child_process";
import { afterAll, beforeAll } from "vitest";

/** Ends this process after so many seconds: nothing in it could, if reading something never came to an end. */
export function watchThisProcess(seconds: number): void {
  let stop = () => {};
  beforeAll(() => {
    const script = `sleep ${Math.ceil(seconds)}; kill -KILL ${process.pid}`;
    const { pid } = spawn("sh", ["-c", script], { stdio: "ignore", detached: true });
    stop = () => {
      if (pid !== undefined) process.kill(-pid, "SIGKILL");
    };
  });
  afterAll(() => stop());
}
