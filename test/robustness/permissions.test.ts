import { chmodSync, chownSync, copyFileSync, mkdirSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runLines } from "./support/log-lines.js";
import { nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

/** Somebody who is neither root nor us. */
const stranger = 54_321;
const isRoot = process.geteuid?.() === 0;

/** A way in which somebody else can change what runs as root, and the text that names it. */
interface Hole {
  readonly title: string;
  readonly open: (node: TestNode) => void;
  readonly error: (node: TestNode) => string;
}

const owned = (path: string) => `${path}: it belongs to user ${stranger}`;
const writable = (path: string, mode: string, who: string) => `${path}: mode ${mode} lets ${who} write it`;
const plugin = (node: TestNode) => join(node.bin, "plugin");

const holesOfAStranger: readonly Hole[] = [
  {
    title: "the plugin belongs to somebody else",
    open: (node) => chownSync(plugin(node), stranger, stranger),
    error: (node) => owned(plugin(node)),
  },
  {
    title: "the plugins' directory belongs to somebody else",
    open: (node) => chownSync(node.bin, stranger, stranger),
    error: (node) => owned(node.bin),
  },
  {
    title: "it is a link to a file of somebody else's",
    open: (node) => {
      const target = join(node.folder, "theirs");
      renameSync(plugin(node), target);
      chownSync(target, stranger, stranger);
      symlinkSync(target, plugin(node));
    },
    error: (node) => owned(join(node.folder, "theirs")),
  },
];

const holes: readonly Hole[] = [
  {
    title: "everybody can write the plugin",
    open: (node) => chmodSync(plugin(node), 0o777),
    error: (node) => writable(plugin(node), "0777", "everybody"),
  },
  {
    title: "a group can write the plugin",
    open: (node) => chmodSync(plugin(node), 0o775),
    error: (node) => writable(plugin(node), "0775", `group ${process.getegid?.()}`),
  },
  {
    title: "everybody can write the plugins' directory, if only with the sticky bit",
    open: (node) => chmodSync(node.bin, 0o1777),
    error: (node) => writable(node.bin, "1777", "everybody"),
  },
  {
    title: "a link leads through a directory that everybody can write",
    open: (node) => {
      const open = join(node.folder, "open");
      mkdirSync(open);
      renameSync(plugin(node), join(open, "plugin"));
      symlinkSync(join(open, "plugin"), plugin(node));
      chmodSync(open, 0o777);
    },
    error: (node) => writable(join(node.folder, "open"), "0777", "everybody"),
  },
];

const remedy = "let root own it and nobody else write it, or set permissions: trust";
const allHoles = [...holes, ...(isRoot ? holesOfAStranger : [])];

function nodeWith(permissions: "strict" | "trust"): TestNode {
  const node = new TestNode({ config: { permissions } });
  // A file of its own, and no link: its mode is changed.
  copyFileSync(join(node.bin, "noop"), plugin(node));
  node.writeConf("plugin");
  return node;
}

describe("permissions", () => {
  it.each(allHoles.map((hole) => [hole.title, hole] as const))("strict: refused when %s", async (_, hole) => {
    const node = nodeWith("strict");
    const { plugin: bridge, program } = await node.connect();
    expect(await bridge.call("RunPodSandbox", { pod: nthPod(1) })).toMatchObject({ response: {} });
    hole.open(node);
    const { error } = await bridge.call("RunPodSandbox", { pod: nthPod(2) });
    expect(error?.message).toContain(`nri invoke: plugin: plugin: refused to run ${hole.error(node)}`);
    expect(error?.message).toContain(remedy);
    await expect.poll(() => runLines(program).map(({ outcome }) => outcome)).toEqual(["ok", "refused"]);
  });

  it.each(allHoles.map((hole) => [hole.title, hole] as const))("trust: run all the same when %s", async (_, hole) => {
    const node = nodeWith("trust");
    hole.open(node);
    const { plugin: bridge } = await node.connect();
    expect(await bridge.call("RunPodSandbox", { pod: nthPod(1) })).toMatchObject({ response: {} });
  });
});
