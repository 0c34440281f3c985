import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bundle, readSettings, root, run } from "./support.js";

const text = readFileSync(join(root, "docs/MIGRATION.md"), "utf8");
const documents = ["docs/MIGRATION.md", "SECURITY.md", "CONTRIBUTING.md"] as const;
const scripts: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts;

describe("docs/MIGRATION.md", () => {
  it("shows settings that the bridge takes", async () => {
    const blocks = [...text.matchAll(/```yaml\n(.*?)```/gs)].map(([, block = ""]) => block);
    expect(blocks.length).toBeGreaterThan(3);
    for (const block of blocks) await readSettings(block);
    const inline = [...text.matchAll(/`((?:sandboxes|lookup|permissions|onFailure|pluginName): [^`]+)`/g)];
    expect(inline.length).toBeGreaterThan(3);
    for (const [, setting = ""] of inline) await readSettings(setting);
  });

  it("shows commands and flags that there are", async () => {
    const commands = documents.flatMap((document) => [
      ...readFileSync(join(root, document), "utf8").matchAll(/`nri-v01-bridge ([a-z]+)((?: [^`]*)?)`/g),
    ]);
    expect(commands.length).toBeGreaterThan(6);
    const verbs = [...new Set(commands.map(([, verb = ""]) => verb))];
    const help = new Map(
      await Promise.all(
        verbs.map(async (verb) => [verb, await run(process.execPath, [bundle, verb, "--help"])] as const),
      ),
    );
    for (const [all, verb = "", rest = ""] of commands) {
      expect(help.get(verb), all).toMatchObject({ code: 0 });
      for (const [flag] of rest.matchAll(/--[a-z-]+/g)) expect(help.get(verb)?.stdout, all).toContain(flag);
    }
  });
});

describe.each(documents)("%s", (document) => {
  const content = readFileSync(join(root, document), "utf8");

  it("names files of this repository that are there, and scripts that package.json has", () => {
    const paths = [...content.matchAll(/`((?:deploy|docs|src|test|fixtures)\/[A-Za-z0-9_./-]*)`/g)].map(
      ([, path = ""]) => path,
    );
    const cited = /nri-plugin-wrapper|hooks\/nri/;
    for (const path of paths.filter((name) => !cited.test(name))) expect(existsSync(join(root, path)), path).toBe(true);
    for (const [, script = ""] of content.matchAll(/`npm run ([a-z:0-9]+)`/g)) expect(scripts).toHaveProperty([script]);
  });
});
