import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isAlive, until } from "../plugin/processes.js";
import { markedProcesses } from "./support/processes.js";
import { nextPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

/** A bridge with plugins that note their start and their request, each after what it does before and in between. */
async function setUp(
  plugins: Readonly<Record<string, { readonly before?: string; readonly answer?: string }>>,
  config = {},
) {
  const node = new TestNode({ config });
  const log = join(node.folder, "log");
  for (const [name, { before = ":", answer = "echo '{}'" }] of Object.entries(plugins)) {
    const read = `read -r request; [ -n "$request" ] && echo "${name} has it" >>${log} || echo "${name} sees the end" >>${log}`;
    node.installScript(name, `#!/bin/sh\necho "${name} starts" >>${log}\n${before}\n${read}\n${answer}\n`);
  }
  node.writeConf(...Object.keys(plugins));
  const connected = await node.connect();
  const noted = () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []);
  const create = (pod = nextPod()) => connected.plugin.call("RunPodSandbox", { pod });
  // They are known to read their stdin first, from now on.
  expect(await create()).toMatchObject({ response: {} });
  const fresh = () => noted().slice(2 * Object.keys(plugins).length);
  return { node, ...connected, create, noted: fresh };
}

describe("a plugin that is started while its request is made", () => {
  it("sees an empty stdin where the bridge is killed meanwhile", async () => {
    const hold = { before: '[ -e "$0.kill" ] && kill -9 $PPID' };
    const { node, program, create, noted } = await setUp({ one: { answer: "sleep 0.2; echo '{}'" }, two: hold });
    writeFileSync(join(node.bin, "two.kill"), "");
    expect(await create()).toMatchObject({ dropped: true });
    expect(await program.ended).toMatchObject({ signal: "SIGKILL" });
    expect(await until(() => noted().includes("two sees the end"))).toBe(true);
    expect(noted()).not.toContain("two has it");
  });

  it("has its request although the journal cannot be written", async () => {
    const { create, noted } = await setUp({ p: {} }, { state: { directory: "/dev/null/state" } });
    expect(await create()).toMatchObject({ response: {} });
    expect(noted()).toEqual(["p starts", "p has it"]);
  });

  it("waits while the one before it runs, and the event's list holds although conf.json changes", async () => {
    const { node, create, noted } = await setUp({
      one: { answer: 'while [ -e "$0.hold" ]; do sleep 0.01; done; echo "{}"' },
      two: {},
    });
    writeFileSync(join(node.bin, "one.hold"), "");
    const creating = create();
    expect(await until(() => noted().includes("two starts"))).toBe(true);
    node.writeConf("one");
    rmSync(join(node.bin, "one.hold"));
    expect(await creating).toMatchObject({ response: {} });
    expect(noted().toSorted()).toEqual(["one has it", "one starts", "two has it", "two starts"]);
    expect(await create()).toMatchObject({ response: {} });
    expect(noted().slice(4)).toEqual(["one starts", "one has it"]);
  });

  it("is killed before its stdin ends where the one before it fails", async () => {
    const { node, create, noted } = await setUp({
      one: { answer: '[ -e "$0.fail" ] && sleep 0.2 && echo \'{"error":"no"}\' || echo "{}"' },
      two: { before: "trap '' TERM" },
    });
    writeFileSync(join(node.bin, "one.fail"), "");
    expect((await create()).error?.message).toContain("plugin: one: no");
    expect(await until(() => markedProcesses(node.mark).filter(isAlive).length === 0)).toBe(true);
    expect(noted().toSorted()).toEqual(["one has it", "one starts", "two starts"]);
  });
});
