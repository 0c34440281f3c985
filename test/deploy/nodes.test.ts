import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nodes, root } from "./support.js";

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

describe("the versions of Node", () => {
  const { newestLts, versions } = nodes;
  const [oldest = ""] = Object.values(versions);

  it("are one list: what is tested is what the package asks for and README.md promises", () => {
    const [, oldestMinor = ""] = /^(\d+\.\d+)\./.exec(oldest) ?? [];
    expect(manifest.engines.node).toBe(`>=${oldestMinor}`);
    const readme = readFileSync(join(root, "README.md"), "utf8").replaceAll("\n", " ");
    const [, supported = "", working = ""] = /Supported are Node (.*?); (.*?) work too/.exec(readme) ?? [];
    const majors = [...`${supported} ${working}`.matchAll(/(?<![.\d])\d\d\b/g)].map(([major]) => major);
    expect([...new Set(majors)].sort()).toEqual(Object.keys(versions));
    expect(working).toContain(oldestMinor);
  });

  it("follow the newest one with long-term support, in the types too", () => {
    expect(Object.keys(versions)).toContain(newestLts);
    expect(manifest.devDependencies["@types/node"]).toMatch(new RegExp(`^${newestLts}\\.`));
  });
});
