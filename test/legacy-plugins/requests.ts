import { spawnSync } from "node:child_process";
import { resolve } from "node:path";

import { readCases } from "../support/recorded-cases.js";

export const pluginsDir = resolve(import.meta.dirname, "../../legacy-plugins");

/** Every request that containerd 1.6 sent in the recorded scenarios, with what its plugin answered. */
export const recordedRuns = readCases()
  .flatMap(({ runs }) => runs)
  .filter(({ request }) => request.length > 0);

/** Runs a plugin as containerd did. */
export function invoke(path: string, request: string | Uint8Array, args: readonly string[] = ["invoke"]) {
  const { status, stdout, stderr } = spawnSync(path, args, {
    input: request,
    cwd: "/",
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}
