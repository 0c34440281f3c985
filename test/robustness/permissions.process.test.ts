import { chmodSync, copyFileSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { logLines, runLines } from "./support/log-lines.js";
import { nextNumber, nextPod, nthContainer, nthPod } from "./support/subjects.js";
import { shareNode, TestNode } from "./support/test-node.js";

/** A way in which somebody else can change what runs as root (test/plugin has them all), and the text that names it. */
type Hole = readonly [title: string, open: (node: TestNode) => void, error: (node: TestNode) => string];

const writable = (path: string, mode: string, who: string) => `${path}: mode ${mode} lets ${who} write it`;
const plugin = (node: TestNode) => join(node.bin, "plugin");
const group = `group ${process.getegid?.()}`;
const remedy = "root must own it, and no other user may have write permission; or set permissions: trust";

/** The node as it is without a hole: with one plugin, which is in conf.json. */
function close(node: TestNode): void {
  for (const path of [node.bin, join(node.folder, "open"), node.confFile])
    rmSync(path, { recursive: true, force: true });
  mkdirSync(node.bin, { mode: 0o755 });
  // A file of its own, and no link: its mode is changed.
  copyFileSync(join(import.meta.dirname, "../../legacy-plugins/noop"), plugin(node));
  node.writeConf("plugin");
}

const strict = shareNode({ config: { permissions: "strict" } });
const trust = shareNode({ config: { permissions: "trust" } });
beforeEach(() => {
  close(strict().node);
  close(trust().node);
});

it.each<Hole>([
  [
    "a group can write the plugin",
    (node) => chmodSync(plugin(node), 0o775),
    (node) => writable(plugin(node), "0775", group),
  ],
  [
    "everybody can write the plugins' directory, if only with the sticky bit",
    (node) => chmodSync(node.bin, 0o1777),
    (node) => writable(node.bin, "1777", "any user"),
  ],
])("strict: refused, trust: run all the same when %s", async (_, open, why) => {
  const { node, plugin: bridge, program } = strict();
  const pods = [nextPod(), nextPod()] as const;
  expect(await bridge.call("RunPodSandbox", { pod: pods[0] })).toMatchObject({ response: {} });
  open(node);
  const { error } = await bridge.call("RunPodSandbox", { pod: pods[1] });
  expect(error?.message).toContain(`nri invoke: plugin: plugin: the bridge refuses to run ${why(node)}`);
  expect(error?.message).toContain(remedy);
  const outcomes = () => pods.flatMap(({ id }) => runLines(program, id)).map(({ outcome }) => outcome);
  await expect.poll(outcomes).toEqual(["ok", "refused"]);
  open(trust().node);
  expect(await trust().plugin.call("RunPodSandbox", { pod: nextPod() })).toMatchObject({ response: {} });
});

describe("a conf.json that is a link into a directory that everybody can write", () => {
  const openConf = (node: TestNode) => {
    const open = join(node.folder, "open");
    mkdirSync(open);
    renameSync(node.confFile, join(open, "moved"));
    symlinkSync(join(open, "moved"), node.confFile);
    chmodSync(open, 0o777);
  };

  it("strict: no pod starts until that is mended; trust: it is read all the same", async () => {
    const { node, plugin: bridge, program } = strict();
    const n = nextNumber();
    const pods = [nthPod(n), nextPod()] as const;
    const container = nthContainer(n);
    expect(await bridge.call("RunPodSandbox", { pod: pods[0] })).toMatchObject({ response: {} });
    openConf(node);
    const { error } = await bridge.call("RunPodSandbox", { pod: pods[1] });
    const why = writable(join(node.folder, "open"), "0777", "any user");
    expect(error?.message).toBe(`unable to create nri client: ${why}; ${remedy}`);
    // As with any conf.json that cannot be used: no plugin is run for others, and teardown goes on.
    expect(await bridge.call("StartContainer", { pod: pods[0], container })).toMatchObject({ response: {} });
    expect(await bridge.call("StopPodSandbox", { pod: pods[0] })).toMatchObject({ response: {} });
    // The two creates and the deletes of both.
    const said = () => logLines(program).filter(({ msg }) => msg === "the bridge cannot use conf.json");
    await expect.poll(() => said().length).toBe(4);
    for (const line of said()) expect(line).toMatchObject({ error: error?.message, file: node.confFile });
    // It is looked at for each event.
    chmodSync(join(node.folder, "open"), 0o755);
    expect(await bridge.call("RunPodSandbox", { pod: nextPod() })).toMatchObject({ response: {} });

    openConf(trust().node);
    const pod = nextPod();
    expect(await trust().plugin.call("RunPodSandbox", { pod })).toMatchObject({ response: {} });
    await expect.poll(() => runLines(trust().program, pod.id)).toMatchObject([{ outcome: "ok" }]);
  });
});

describe("a configuration of the bridge, which says where plugins are, that others can write", () => {
  const open = (node: TestNode) => chmodSync(node.configFile, 0o666);
  const refused = (node: TestNode) =>
    `the bridge refuses its configuration file: ${writable(node.configFile, "0666", "any user")}; ${remedy} (as a flag: --permissions trust)`;

  it("is not started with, even where it says trust; the flag alone says that", async () => {
    const node = new TestNode({ config: { permissions: "trust" } });
    node.writeConf("noop");
    open(node);
    const { code, stderr } = await node.start().ended;
    expect(stderr).toContain(refused(node));
    expect(code).toBe(2);
    const { plugin: bridge } = await node.connect("--permissions", "trust");
    expect(await bridge.call("RunPodSandbox", { pod: nextPod() })).toMatchObject({ response: {} });
  });

  it("is not read on SIGHUP, and the last good one stays", async () => {
    const { node, plugin: bridge, program } = strict();
    node.writeConfig({ onFailure: { create: "ignore" } });
    open(node);
    program.child.kill("SIGHUP");
    await program.stderrMatches(/the bridge keeps the last good one/);
    expect(logLines(program).at(-1)).toMatchObject({ error: refused(node) });
    node.writeConf("missing");
    expect(await bridge.call("RunPodSandbox", { pod: nextPod() })).toMatchObject({ error: { code: "UNKNOWN" } });
  });
});
