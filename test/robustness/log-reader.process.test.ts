import { spawn } from "node:child_process";
import { expect, it, onTestFinished } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { program } from "../support/program.js";
import { lifeOf } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

/** Starts a program whose standard error nobody reads, as a socket of Node's or a pipe of the shell's. */
const unread = {
  "a socket": (command: string) => [command],
  "a pipe": (command: string) => [`${command} 2>&1 >/dev/null | sleep 60`],
} as const;

it.each(["a socket", "a pipe"] as const)(
  "a log that nobody reads any more, on %s, costs no event its answer",
  async (on) => {
    const node = new TestNode();
    // A hundred lines of 2 KB for each run: far more than a pipe, or a socket, holds for a reader that is slow.
    const line = "x".repeat(2_000);
    node.installScript("plugin", `#!/bin/sh\ncat >/dev/null\nyes ${line} | head -n 100 >&2\necho '{}'\n`);
    node.writeConf("plugin");
    const runtime = await node.listen();
    const command = `exec '${process.execPath}' '${program}' run --config '${node.configFile}'`;
    const child = spawn("sh", ["-c", ...unread[on](command)], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { PATH: process.env.PATH },
      detached: true,
    });
    onTestFinished(() => void process.kill(-(child.pid ?? 0), "SIGKILL"));
    const plugin = await runtime.accept(Deadline.after(10_000));
    for (let n = 0; n < 4; n++) {
      for (const [name, subject] of lifeOf(n)) {
        expect(await plugin.call(name, subject)).toMatchObject({ dropped: false, response: { update: [] } });
      }
    }
  },
);
