import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { DirectoryLock } from "../../src/ledger/directory-lock.js";
import { decodeEvent } from "../../src/nri/events.js";
import { readCase } from "../../src/tools/replay/case.js";
import { createRuntime, type Runtime } from "../../src/tools/runtime/runtime.js";
import { jsonLines, runCommandLine } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";
import { startProgram } from "../support/program.js";
import { fixture, replayFolder, requestsOf, samplePlugins } from "./live.js";

const basic = fixture("basic-hostnet");
let folder: string;
let socketPath: string;
let out: string;

beforeEach(() => {
  folder = makeFolder();
  socketPath = join(folder, "nri.sock");
  out = join(folder, "cases");
  writeFileSync(
    join(folder, "conf.json"),
    '{"version":"0.1","plugins":[{"type":"labels","conf":{"token":"s3cret-token"}}]}',
  );
});

async function listen(): Promise<Runtime> {
  const runtime = await createRuntime({ socketPath, name: "containerd", version: "v1.7.24" });
  onTestFinished(() => runtime.close());
  return runtime;
}

const node = () => ["--socket", socketPath, "--conf", join(folder, "conf.json")];

/** The verb in this process, which it ends by itself. Its log is not for whoever runs these tests. */
function record(...args: string[]) {
  const config = join(folder, "bridge.yaml");
  writeFileSync(config, `log: {output: ${folder}/log}\n`);
  return runCommandLine(["record", ...args, ...node(), "--config", config]);
}

/** The built program. */
function start(...args: string[]) {
  const running = startProgram([...args, ...node()]);
  onTestFinished(() => void running.child.kill("SIGKILL"));
  return running;
}

const bridgeFlags = () => [
  ...["--bin-dir", samplePlugins, "--permissions", "trust", "--state-directory", join(folder, "state")],
];

async function sendAll(runtime: Runtime) {
  const plugin = await runtime.accept(Deadline.after(10_000));
  for (const { method, payload, timeoutNano } of basic.events) {
    expect(await plugin.raw(method, payload, { timeoutNano })).toMatchObject({ dropped: false });
  }
  return plugin;
}

/** The requests that `replay --json` of the recorded case sends. */
const replayed = async () => requestsOf(await replayFolder(join(out, readdirSync(out)[0] ?? "")));

describe("record", () => {
  it("observes every event beside the bridge, ends with the last pod, and its case replays", async () => {
    const runtime = await listen();
    const running = start("record", "--out", out, "--pods", "1", "--json");
    const plugin = await sendAll(runtime);
    expect(plugin.identity).toEqual({ name: "v01-recorder", index: "09" });
    const kinds = basic.events.map(({ method, payload }) => decodeEvent(method, payload)?.name);
    for (const kind of kinds) if (kind !== undefined) expect(plugin.subscribedTo(kind), kind).toBe(true);
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ type: "case", pod: "default/pod1", events: 9, complete: true });
    const requests = await replayed();
    expect(requests.map((request) => JSON.parse(request).state)).toEqual(["create", "create", "delete", "delete"]);
    // Redacted without being asked to, and still one case: the masked conf is what the replay's plugins get.
    expect(requests.every((request) => JSON.parse(request).conf.token === "x".repeat(12))).toBe(true);
  });

  it("ends after a time, with what it has", async () => {
    const runtime = await listen();
    const ended = record("--out", out, "--duration", "1s");
    const plugin = await runtime.accept(Deadline.after(10_000));
    const [first] = basic.events;
    if (first === undefined) throw new Error("the case holds events");
    await plugin.raw(first.method, first.payload);
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^default\/pod1: 1 events, incomplete: /);
  });

  it.each([
    ["is a file", "conf.json", "this is a file; name a folder"],
    ["is below a file", "conf.json/cases", "a part of the path is not a folder (ENOTDIR)"],
  ])("ends with 2 at once when --out %s", async (_, name, message) => {
    const path = join(folder, name);
    const { code, stderr } = await record("--out", path);
    expect(stderr).toContain(`nri-v01-bridge: --out: ${path}: ${message}`);
    expect(code).toBe(2);
  });

  it("--run is the bridge meanwhile, and records what plugins were sent", async () => {
    const runtime = await listen();
    const running = start("record", "--run", "--out", out, "--pods", "1", "--no-redact", ...bridgeFlags());
    const plugin = await sendAll(runtime);
    expect(plugin.identity.name).toBe("v01-bridge");
    const { code, stdout } = await running.ended;
    expect(code).toBe(0);
    expect(stdout).toContain(", complete: ");
    const requests = await replayed();
    expect(requests).toHaveLength(4);
    expect(requests[0]).toContain("s3cret-token");
  });
});

it("record --run is refused at once beside a bridge that runs: it would wait for it, and record nothing", async () => {
  const directory = join(folder, "state");
  const lock = new DirectoryLock(directory);
  expect(await lock.acquire()).toEqual({ kind: "held" });
  onTestFinished(() => lock.release());
  await listen();
  const startedAt = performance.now();
  const { code, stderr } = await start("record", "--run", "--out", out, "--duration", "12s", ...bridgeFlags()).ended;
  expect(stderr).toContain(
    `nri-v01-bridge: process ${process.pid} runs as the bridge, with the state directory ${directory}: stop it first, or record beside it, without --run\n`,
  );
  expect(code).toBe(2);
  expect(performance.now() - startedAt).toBeLessThan(8_000);
});

describe("replay --compare", () => {
  it("says what differs from a recording, and ends with 1", async () => {
    const runtime = await listen();
    const ended = record("--run", "--out", out, "--pods", "1", ...bridgeFlags());
    await sendAll(runtime);
    expect((await ended).code).toBe(0);
    const [name = ""] = readdirSync(out);
    const replay = (...args: string[]) => runCommandLine(["replay", join(out, name), "--compare", ...args]);
    const same = await replay("--bin-dir", samplePlugins);
    expect(same.stdout).toBe("13 runs and answers recorded, 10 replayed: no difference\n");
    expect(same.code).toBe(0);

    // Another plugin of this name, which refuses deletes and has a word to say.
    writeFileSync(
      join(folder, "labels"),
      `#!/bin/sh\nread -r request\ncase $request in *'"delete"'*) echo '{"error":"no"}';; *) echo '{"metadata":{}}';; esac\n`,
      { mode: 0o755 },
    );
    const other = await replay("--bin-dir", folder, "--json");
    const lines = jsonLines(other.stdout);
    const ofDelete = lines.filter(({ event, plugin }) => event === "StopContainer" && plugin === "labels");
    expect(ofDelete.map(({ field, recorded, replayed }) => [field, recorded, replayed])).toEqual([
      ["stdout", expect.stringContaining('"plugin":"labels"'), '{"error":"no"}\n'],
      ["outcome", "ok", "reported"],
      ["error", null, "no"],
    ]);
    expect(lines.at(-1)).toMatchObject({ type: "comparison", recorded: 13, replayed: 10 });
    expect(other.code).toBe(1);
    const text = await replay("--bin-dir", folder);
    expect(text.stdout).toMatch(
      /^StopContainer \S{13}, labels delete: error\n {2}recorded {2}null\n {2}replayed {2}no$/m,
    );
  });
});

describe("run --record", () => {
  it("records beside its work, and goes on", async () => {
    const runtime = await listen();
    const running = start("run", "--record", out, ...bridgeFlags());
    await sendAll(runtime);
    await running.stderrMatches(/"the recorder wrote the case of a pod"/);
    running.child.kill("SIGTERM");
    expect((await running.ended).code).toBe(0);
    const [name = ""] = readdirSync(out);
    expect(readCase(join(out, name)).title).toBe("pod default/pod1 on containerd v1.7.24");
    expect(await replayed()).toHaveLength(4);
  });
});
