import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeFolder } from "../support/places.js";

/** The plugin of docs/PLUGINS.md in each language that needs no compiler, on a request of containerd 1.6.20. */
const page = readFileSync("docs/PLUGINS.md", "utf8");
const request = readFileSync(
  "fixtures/cases/basic-podnet/expected/runs/02-recorder-create-container.request.json",
  "utf8",
);

const directory = makeFolder(afterAll);

describe.each(["python", "sh"])("the plugin of docs/PLUGINS.md in %s", (language) => {
  function answer(input: string): unknown {
    const [, program = ""] = new RegExp(`\`\`\`${language}\n([^\`]*)\`\`\``).exec(page) ?? [];
    const path = join(directory, language);
    writeFileSync(path, program, { mode: 0o755 });
    return JSON.parse(execFileSync(path, ["invoke"], { input, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] }));
  }

  it("lets a container start", () => {
    expect(answer(request)).toEqual({ plugin: "frozen", version: "0.1", error: "" });
  });

  it("refuses one of the namespace frozen", () => {
    const frozen = request.replace('sandbox-namespace":"default"', 'sandbox-namespace":"frozen"');
    expect(answer(frozen)).toMatchObject({ error: "no new container in the namespace frozen" });
  });
});
