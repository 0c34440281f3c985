import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createNodeCgroups, requireCapture } from "../../src/cgroup/cgroups.js";
import { checkPrivilege, type Privilege } from "../../src/cgroup/privilege.js";
import { createDirectory, installFile } from "../plugin/plugin-directory.js";
import { isAlive, until } from "../plugin/processes.js";

const mayUnshare = (await checkPrivilege()).ok;

describe("checkPrivilege", () => {
  /** With this for unshare(1). */
  async function trial(script: string, withinMs: number): Promise<Privilege> {
    const path = createDirectory();
    installFile(path, "unshare", script.startsWith("#!") ? script : `#!/bin/sh\n${script}\n`);
    for (const tool of ["mount", "nsenter", "mkfifo"]) installFile(path, tool, "");
    return checkPrivilege({ path, withinMs });
  }

  it.skipIf(!mayUnshare).each([
    ["says no", "echo Operation not permitted >&2; exit 1", false, /Operation not permitted$/],
    ["says nothing", "exit 3", true, /unshare ended with 3$/],
    ["is killed, as for want of memory", "kill -9 $$", true, /unshare ended with SIGKILL/],
    ["finds no memory", "echo unshare failed: Cannot allocate memory >&2; exit 1", true, /allocate/],
    ["finds no namespace left", "echo No space left on device >&2; exit 1", true, /No space/],
    ["cannot be executed", "#!/no/such/shell\n", false, /ENOENT$/],
  ])("of an unshare that %s", async (_, script, ok, text) => {
    const found = await trial(script, 10_000);
    expect([found.ok, found.ok ? found.unproven : found.reason]).toEqual([ok, expect.stringMatching(text)]);
    expect(found.ok || found.remedy).toEqual(ok || expect.stringMatching(/or set cgroup: host$/));
  });

  it.skipIf(!mayUnshare)("of one that is slow is no denial, holds up nothing, and leaves nothing", async () => {
    const pids = join(createDirectory(), "pids");
    let turns = 0;
    const timer = setInterval(() => turns++, 5);
    const found = await trial(`sleep 60 & echo "$$ $!" >${pids}; wait`, 400);
    clearInterval(timer);
    expect(found).toEqual({ ok: true, unproven: expect.stringContaining("not ready within 400 ms") });
    expect(turns).toBeGreaterThan(10);
    const started = readFileSync(pids, "latin1").trim().split(" ").map(Number);
    expect(await until(() => !started.some(isAlive))).toBe(true);
  });
});

describe("whether views can be made", () => {
  const denied = { ok: false, reason: "no", remedy: "none" } as const;
  const proven = { ok: true } as const;
  const unproven = { ...proven, unproven: "slow" };

  function nodeWith(...answers: readonly Privilege[]) {
    const node = { now: 0, trials: 0 };
    const check = async () => answers[node.trials++] ?? denied;
    return Object.assign(node, { cgroups: createNodeCgroups({ check, clock: () => node.now }) });
  }

  it.each<[string, Privilege, number, number]>([
    ["that they can is known for good", proven, 1e9, 1],
    ["that it took too long is not asked for each event", unproven, 1_999, 1],
    ["that it took too long is asked again soon", unproven, 2_000, 2],
    ["that they cannot is not asked for each event", denied, 1_999, 1],
    ["that they cannot is asked again soon", denied, 2_000, 2],
  ])("%s", async (_, first, laterMs, trials) => {
    const node = nodeWith(first, proven);
    expect(await node.cgroups.privilege()).toEqual(first);
    node.now += laterMs;
    expect((await node.cgroups.privilege()).ok).toBe(trials === 2 || first.ok);
    expect(node.trials).toBe(trials);
  });

  it("is one trial for all who ask at a time", async () => {
    const node = nodeWith(denied);
    await Promise.all([node.cgroups.privilege(), node.cgroups.privilege(), node.cgroups.warm()]);
    expect(node.trials).toBe(1);
  });

  it.skipIf(!mayUnshare)("is known from the first view that was made", async () => {
    const node = nodeWith(...Array.from({ length: 9 }, () => unproven));
    onTestFinished(() => node.cgroups.close());
    const container = { cgroupsPath: "/kubepods/c1", resources: {}, pid: 0, asked: {}, phase: "create" } as const;
    (await node.cgroups.openView(container)).close();
    node.now = 1e9;
    expect(await node.cgroups.privilege()).toEqual(proven);
    expect(node.trials).toBe(1);
  });

  it("is required, but for what could not be proven", async () => {
    await expect(requireCapture(nodeWith(denied).cgroups)).rejects.toThrow("cgroup: capture is configured, and no");
    await requireCapture(nodeWith(proven).cgroups);
    await requireCapture(nodeWith(unproven).cgroups);
  });
});
