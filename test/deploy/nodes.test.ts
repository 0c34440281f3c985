import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { nodes, root } from "./support.js";

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

// The newest one with long-term support is what is built for, and whose types are used.
it("what is tested is what the package asks for and README.md promises", () => {
  const { newestLts, versions } = nodes;
  const [, oldest = ""] = /^(\d+\.\d+)\./.exec(Object.values(versions)[0] ?? "") ?? [];
  expect(manifest.engines.node).toBe(`>=${oldest}`);
  const readme = readFileSync(join(root, "README.md"), "utf8").replaceAll("\n", " ");
  const [, supported = "", working = ""] = /Supported are Node (.*?); (.*?) work too/.exec(readme) ?? [];
  const majors = [...`${supported} ${working}`.matchAll(/(?<![.\d])\d\d\b/g)].map(([major]) => major);
  expect([...new Set(majors)].sort()).toEqual(Object.keys(versions));
  expect(working).toContain(oldest);
  expect(Object.keys(versions)).toContain(newestLts);
  expect(manifest.devDependencies["@types/node"]).toMatch(new RegExp(`^${newestLts}\\.`));
});
