import { chmodSync, chownSync, copyFileSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { logLines, runLines } from "./support/log-lines.js";
import { nextNumber, nextPod, nthContainer, nthPod } from "./support/subjects.js";
import { shareNode, TestNode } from "./support/test-node.js";

/** Somebody who is neither root nor us. */
const stranger = 54_321;
const isRoot = process.geteuid?.() === 0;

/** A way in which somebody else can change what runs as root (test/plugin has them all), and the text that names it. */
type Hole = readonly [title: string, open: (node: TestNode) => void, error: (node: TestNode) => string];

const owned = (path: string) => `${path}: it belongs to user ${stranger}`;
const writable = (path: string, mode: string, who: string) => `${path}: mode ${mode} lets ${who} write it`;
const plugin = (node: TestNode) => join(node.bin, "plugin");
const group = `group ${process.getegid?.()}`;
const remedy = "root must own it, and nobody else may have write permission; or set permissions: trust";

/** Moves a file into a directory that everybody can write, and leaves a link in its place. */
function moveIntoTheOpen(node: TestNode, path: string): void {
  const open = join(node.folder, "open");
  mkdirSync(open);
  renameSync(path, join(open, "moved"));
  symlinkSync(join(open, "moved"), path);
  chmodSync(open, 0o777);
}
const inTheOpen = (node: TestNode) => writable(join(node.folder, "open"), "0777", "everybody");

const pluginHoles: readonly Hole[] = [
  [
    "a group can write the plugin",
    (node) => chmodSync(plugin(node), 0o775),
    (node) => writable(plugin(node), "0775", group),
  ],
  [
    "everybody can write the plugins' directory, if only with the sticky bit",
    (node) => chmodSync(node.bin, 0o1777),
    (node) => writable(node.bin, "1777", "everybody"),
  ],
  [
    "a link leads through a directory that everybody can write",
    (node) => moveIntoTheOpen(node, plugin(node)),
    inTheOpen,
  ],
];
const pluginOfAStranger: Hole = [
  "it belongs to somebody else",
  (node) => chownSync(plugin(node), stranger, stranger),
  (node) => owned(plugin(node)),
];

/** The node as it is without a hole: with one plugin, which is in conf.json. */
function close(node: TestNode): void {
  chmodSync(node.folder, 0o700);
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

describe("permissions", () => {
  const holes = [...pluginHoles, ...(isRoot ? [pluginOfAStranger] : [])];

  it.each(holes)("strict: refused, trust: run all the same when %s", async (_, open, why) => {
    const { node, plugin: bridge, program } = strict();
    const pods = [nextPod(), nextPod()] as const;
    expect(await bridge.call("RunPodSandbox", { pod: pods[0] })).toMatchObject({ response: {} });
    open(node);
    const { error } = await bridge.call("RunPodSandbox", { pod: pods[1] });
    expect(error?.message).toContain(`nri invoke: plugin: plugin: refused to run ${why(node)}`);
    expect(error?.message).toContain(remedy);
    const outcomes = () => pods.flatMap(({ id }) => runLines(program, id)).map(({ outcome }) => outcome);
    await expect.poll(outcomes).toEqual(["ok", "refused"]);
    open(trust().node);
    expect(await trust().plugin.call("RunPodSandbox", { pod: nextPod() })).toMatchObject({ response: {} });
  });
});

const confHoles: readonly Hole[] = [
  ["a group can write it", (node) => chmodSync(node.confFile, 0o664), (node) => writable(node.confFile, "0664", group)],
  [
    "everybody can put another in its place",
    (node) => chmodSync(node.folder, 0o777),
    (node) => writable(node.folder, "0777", "everybody"),
  ],
  ["it is a link into a directory that everybody can write", (node) => moveIntoTheOpen(node, node.confFile), inTheOpen],
];

describe("permissions of conf.json, which says what runs", () => {
  it.each(confHoles)("strict: no pod starts when %s; trust: it is read all the same", async (_, open, why) => {
    const { node, plugin: bridge, program } = strict();
    const n = nextNumber();
    const pods = [nthPod(n), nextPod()] as const;
    const container = nthContainer(n);
    const ids: unknown[] = [...pods.map(({ id }) => id), container.id];
    const saidBefore = logLines(program).length;
    const lines = () => logLines(program).slice(saidBefore);
    expect(await bridge.call("RunPodSandbox", { pod: pods[0] })).toMatchObject({ response: {} });
    open(node);
    const { error, dropped } = await bridge.call("RunPodSandbox", { pod: pods[1] });
    expect(dropped).toBe(false);
    expect(error?.message).toBe(`unable to create nri client: ${why(node)}; ${remedy}`);
    // As with any conf.json that cannot be used: no plugin is run for others, and teardown goes on.
    expect(await bridge.call("StartContainer", { pod: pods[0], container })).toMatchObject({ response: {} });
    expect(await bridge.call("StopPodSandbox", { pod: pods[0] })).toMatchObject({ response: {} });
    // The two creates and the deletes of both.
    const said = () => lines().filter(({ msg }) => msg === "conf.json cannot be read");
    await expect.poll(() => said().length).toBe(4);
    const states = lines().flatMap(({ msg, id, state }) => (msg === "plugin ran" && ids.includes(id) ? [state] : []));
    expect(states).toEqual(["create"]);
    for (const line of said()) expect(line).toMatchObject({ error: error?.message, file: node.confFile });

    open(trust().node);
    const pod = nextPod();
    expect(await trust().plugin.call("RunPodSandbox", { pod })).toMatchObject({ response: {} });
    await expect.poll(() => runLines(trust().program, pod.id)).toMatchObject([{ outcome: "ok" }]);
  });

  it("strict: is looked at for each event, so that mending it is enough", async () => {
    const { node, plugin: bridge } = strict();
    chmodSync(node.confFile, 0o666);
    expect(await bridge.call("RunPodSandbox", { pod: nextPod() })).toMatchObject({ error: { code: "UNKNOWN" } });
    chmodSync(node.confFile, 0o644);
    expect(await bridge.call("RunPodSandbox", { pod: nextPod() })).toMatchObject({ response: {} });
  });
});

describe("permissions of the bridge's own configuration, which says where plugins are", () => {
  const mode = "0666";
  const open = (node: TestNode) => chmodSync(node.configFile, 0o666);
  const refused = (node: TestNode) =>
    `the configuration is refused: ${writable(node.configFile, mode, "everybody")}; ${remedy} (as a flag: --permissions trust)`;

  it("the program does not start with a file that others can write, even where that file says trust", async () => {
    const node = new TestNode({ config: { permissions: "trust" } });
    open(node);
    const { code, stderr } = await node.start().ended;
    expect(stderr).toContain(refused(node));
    expect(code).toBe(2);
  });

  it("the flag alone says trust", async () => {
    const node = new TestNode({ config: { permissions: "strict" } });
    node.writeConf("noop");
    open(node);
    const { plugin: bridge } = await node.connect("--permissions", "trust");
    expect(await bridge.call("RunPodSandbox", { pod: nextPod() })).toMatchObject({ response: {} });
  });

  it("on SIGHUP it is not read, and the last good one stays", async () => {
    const { node, plugin: bridge, program } = strict();
    node.writeConfig({ onFailure: { create: "ignore" } });
    open(node);
    program.child.kill("SIGHUP");
    await program.stderrMatches(/the last good one stays/);
    expect(logLines(program).at(-1)).toMatchObject({ error: refused(node) });
    node.writeConf("missing");
    expect(await bridge.call("RunPodSandbox", { pod: nextPod() })).toMatchObject({ error: { code: "UNKNOWN" } });
  });
});
