import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { logLines, runLines } from "./support/log-lines.js";
import { nextNumber, nextPod, nthContainer, nthPod } from "./support/subjects.js";
import { shareNode, type TestNode } from "./support/test-node.js";

/** Texts that a shell, a path or a format would read as more than text. Each would make a file of this name. */
const witness = `witness-${process.pid}`;
const hostile = [
  `x; touch ${witness}`,
  `$(touch ${witness})`,
  `\`touch ${witness}\``,
  `x\ntouch ${witness}`,
  `'; touch ${witness}; '`,
  `"; touch ${witness}; "`,
  "a b  c",
  "-rf",
  "*",
  "%s%n%d",
  `\${HOME}`,
  "__proto__",
  "\u202egnp",
  "plugin\u0000 --evil",
] as const;

/** Wherever a command would have been run. */
function witnesses(node: TestNode): string[] {
  return [node.folder, node.bin, node.temporary, process.cwd(), "/"]
    .map((folder) => join(folder, witness))
    .filter((path) => existsSync(path));
}

describe("no text of conf.json, of an event or of a plugin is read by a shell", () => {
  const shared = shareNode();

  it("types that are commands name no plugin: the create fails, with the type in the error and nothing done", async () => {
    const { node, plugin } = shared();
    for (const type of hostile) {
      node.writeConf(type);
      const { dropped, error } = await plugin.call("RunPodSandbox", { pod: nextPod() });
      expect({ type, dropped, error: error?.message }).toMatchObject({
        dropped: false,
        error: expect.stringMatching(/not found|no such file|no command|invalid argument/),
      });
    }
    expect(witnesses(node)).toEqual([]);
  });

  it("files of such names are run as they are, with the name as argv[0] and `invoke` alone after it", async () => {
    const { node, plugin } = shared();
    const names = hostile.filter((name) => !name.includes("\u0000"));
    for (const [n, name] of names.entries()) {
      const arguments_ = join(node.folder, `arguments-${n}`);
      // What a shebang's interpreter hands on: the script's path and its arguments.
      node.installScript(name, `#!/bin/sh\nprintf '%s\\n' "$0" "$#" "$@" >'${arguments_}'\necho '{}'\n`);
      node.writeConf(name);
      const { dropped, error } = await plugin.call("RunPodSandbox", { pod: nextPod() });
      expect({ name, dropped, error: error?.message }).toEqual({ name, dropped: false, error: undefined });
      expect(readFileSync(arguments_, "utf8")).toBe(`${join(node.bin, name)}\n1\ninvoke\n`);
    }
    expect(witnesses(node)).toEqual([]);
  });

  it("what a plugin says on stderr and in its error is text in the log and in the answer", async () => {
    const { node, plugin, program } = shared();
    node.installScript("talker", `#!/bin/sh\ncat "$0.stderr" >&2\ncat "$0.stdout"\n`);
    node.writeConf("talker");
    const texts = hostile.filter((text) => !/[\r\n\0]/.test(text));
    for (const text of texts) {
      writeFileSync(join(node.bin, "talker.stderr"), `${text}\n`);
      writeFileSync(join(node.bin, "talker.stdout"), JSON.stringify({ error: text }));
      const { error } = await plugin.call("RunPodSandbox", { pod: nextPod() });
      expect(error?.message).toBe(`nri invoke: plugin: talker: ${text}`);
    }
    const ofTalker = (msg: string) => logLines(program).filter((line) => line.msg === msg && line.plugin === "talker");
    await expect.poll(() => ofTalker("plugin failed").map(({ error }) => error)).toEqual(texts);
    expect(ofTalker("plugin's stderr").map(({ line }) => line)).toEqual(texts);
    expect(witnesses(node)).toEqual([]);
  });

  // After the one before: from now on the log says nothing of what these confs hold.
  it("names, labels, annotations and conf go to the plugin as JSON, whatever they hold", async () => {
    const { node, plugin, program } = shared();
    const seen = join(node.folder, "seen");
    node.install("plugin", `save ${seen}`, "answer");
    const ids: string[] = [];
    for (const text of hostile) {
      const n = nextNumber();
      node.writeConf({ type: "plugin", conf: { [text]: text } });
      const pod = { ...nthPod(n), name: text, namespace: text, labels: { [text]: text } };
      const annotations = { "io.kubernetes.cri.x": text };
      await plugin.call("RunPodSandbox", { pod: { ...pod, annotations } });
      const request: unknown = JSON.parse(readFileSync(seen, "utf8"));
      expect(request).toMatchObject({ conf: { [text]: text }, labels: { [text]: text }, spec: { annotations } });
      const container = { ...nthContainer(n), name: text };
      expect(await plugin.call("StartContainer", { pod, container })).toMatchObject({ dropped: false });
      ids.push(pod.id, container.id);
    }
    expect(witnesses(node)).toEqual([]);
    await expect.poll(() => runLines(program).flatMap(({ id }) => (ids.includes(String(id)) ? [id] : []))).toEqual(ids);
  });
});
