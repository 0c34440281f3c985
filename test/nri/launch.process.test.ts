import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { adoptTrunk } from "../../src/nri/wire/socket.js";
import { makeFolder } from "../support/places.js";
import { launch } from "./support/launch.js";
import { socketPath, startRuntime } from "./support/nri-pair.js";
import { ctr, pod } from "./support/subjects.js";

/** The plugin's executable, in a folder as a runtime's /opt/nri/plugins. */
const folder = makeFolder(afterAll);
const path = join(folder, "20-launched");

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("support/launched-plugin.ts", import.meta.url))],
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    banner: { js: 'import{createRequire as r}from"node:module";const require=r(import.meta.url);' },
  });
  writeFileSync(`${path}.mjs`, outputFiles[0]?.contents ?? "");
  // A launched plugin has no PATH, so the interpreter's own path.
  writeFileSync(path, `#!/bin/sh\nexec ${process.execPath} ${path}.mjs\n`);
  chmodSync(path, 0o755);
});

const identity = { name: "launched", index: "20" };

async function launched(config = "") {
  const runtime = await startRuntime(socketPath());
  const { child, trunk } = await launch(path, identity, "inherit");
  onTestFinished(() => void child.kill("SIGKILL"));
  const plugin = await runtime.connect(trunk, { kind: "launched", identity, config });
  return { runtime, child, plugin };
}

describe("a plugin that the runtime launched", () => {
  test("has its identity from the environment, which holds nothing else, and its configuration from the runtime", async () => {
    const { plugin } = await launched("phase: start\n");
    const { response } = await plugin.call("CreateContainer", { pod: pod(), container: ctr() });
    const { environment = "", ...annotations } = response?.adjust?.annotations ?? {};
    expect(annotations).toEqual({
      ...{ identity: "20-launched", config: "phase: start\n", arguments: "0" },
      // What it starts does not inherit the runtime's socket.
      inherited: "false",
    });
    // PWD, OLDPWD, SHLVL and _ are the shell's.
    expect(environment.split(",").filter((name) => name.startsWith("NRI_") || name === "PATH")).toEqual([
      "NRI_PLUGIN_IDX",
      "NRI_PLUGIN_NAME",
      "NRI_PLUGIN_SOCKET",
    ]);
  });

  test("ends when the runtime does: it does not look for another", async () => {
    const { runtime, child } = await launched();
    const exited = once(child, "exit");
    await runtime.close();
    expect(await exited).toEqual([5, null]);
  });

  test.each([9999, -1])("refuses file descriptor %i, which is no open socket", (fd) => {
    expect(() => adoptTrunk(fd)).toThrow(
      expect.objectContaining({
        code: "CONNECT_FAILED",
        message: expect.stringMatching(`^cannot connect to file descriptor ${fd}: it is no open socket: `),
      }),
    );
  });

  test("that cannot be started is an error that names it", async () => {
    await expect(launch(join(folder, "30-none"), identity)).rejects.toMatchObject({
      code: "CONNECT_FAILED",
      message: expect.stringContaining("30-none"),
    });
  });
});
