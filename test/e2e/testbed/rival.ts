import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bridgeFile, isRegistered, startLogged } from "./bridge.js";
import { waitFor } from "./command.js";
import type { Daemon } from "./daemon.js";
import { confOf } from "./scenario.js";

/** A second NRI plugin of a runtime: a bridge of another name, whose one v0.1 plugin asks for something for each container. */
export async function startRival(
  daemon: Daemon,
  metadata: Readonly<Record<string, string>>,
): Promise<{ end(): Promise<void> }> {
  const directory = join(daemon.directory, "rival");
  const file = (name: string) => join(directory, name);
  await mkdir(directory, { recursive: true });
  const answer = JSON.stringify({ plugin: "rival", version: "0.1", metadata });
  await writeFile(file("rival"), `#!/bin/sh\ncat >/dev/null\necho '${answer}'\n`, { mode: 0o755 });
  await writeFile(file("conf.json"), confOf("rival"));
  await writeFile(file("bridge.yaml"), "phase: create\nstate: memory\npermissions: trust\n");
  const since = daemon.log().length;
  const rival = await startLogged(daemon, file("log"), process.execPath, [
    ...[bridgeFile, "run", "--socket", "/var/run/nri/nri.sock", "--name", "rival", "--idx", "20"],
    ...["--config", file("bridge.yaml"), "--conf", file("conf.json"), "--bin-dir", directory],
  ]);
  await waitFor("the rival", 15_000, () => (isRegistered(daemon.log().slice(since), "20-rival") ? true : undefined));
  return {
    end: async () => {
      await rival.kill("SIGTERM");
      await rival.exited;
    },
  };
}
