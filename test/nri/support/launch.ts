import { type ChildProcess, spawn } from "node:child_process";
import { Socket } from "node:net";
import type { PluginIdentity } from "../../../src/nri/identity.js";
import { SocketTrunk } from "../../../src/nri/wire/socket.js";
import type { Trunk } from "../../../src/nri/wire/trunk.js";

/** A plugin process that the runtime started, and the trunk to it. */
export interface LaunchedPlugin {
  readonly child: ChildProcess;
  readonly trunk: Trunk;
}

/**
 * Starts a plugin as the runtime does: no arguments, three variables in the environment and nothing else, one end of a
 * socket pair as descriptor 3, and /dev/null for the rest.
 * @param stderr where its stderr goes; a runtime takes it nowhere, a test wants to read it
 */
export async function launch(
  path: string,
  identity: PluginIdentity,
  stderr: "ignore" | "inherit" = "ignore",
): Promise<LaunchedPlugin> {
  const child = spawn(path, [], {
    env: { NRI_PLUGIN_NAME: identity.name, NRI_PLUGIN_IDX: identity.index, NRI_PLUGIN_SOCKET: "3" },
    // Node's "pipe" is an AF_UNIX stream socket pair.
    stdio: ["ignore", "ignore", stderr, "pipe"],
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  const socket = child.stdio[3];
  if (!(socket instanceof Socket)) throw new Error("the child process has no socket as descriptor 3");
  return { child, trunk: new SocketTrunk(socket) };
}
