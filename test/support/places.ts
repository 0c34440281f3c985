import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A folder that is removed after the test; with `afterAll` after those of the file. */
export function makeFolder(atEnd: (remove: () => void) => void = onTestFinished): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "nri-test-"));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A FIFO that nobody writes. Who waits for it all the same is let go after a while: a test that fails must not hang. */
export function makeFifo(path: string, patienceS = 3): void {
  execFileSync("mkfifo", ["-m", "600", path]);
  const script = `for n in 1 2 3 4; do sleep ${patienceS}; : <>"$1"; done`;
  const helper = spawn("/bin/sh", ["-c", script, "sh", path], { stdio: "ignore", detached: true });
  onTestFinished(() => {
    try {
      process.kill(-(helper.pid ?? 0), "SIGKILL");
    } catch {
      // It has ended.
    }
  });
}

/** What can be in the place of a file. */
export const inPlaceOfFile: Readonly<Record<string, (path: string) => unknown>> = {
  "a FIFO": makeFifo,
  "a device": (path) => symlinkSync("/dev/zero", path),
  "a directory": (path) => mkdirSync(path),
  "a socket": (path) =>
    new Promise<void>((listening) => {
      const server = createServer().listen(path, listening);
      onTestFinished(() => {
        server.close();
      });
    }),
};
