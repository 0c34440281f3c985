import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { makeFolder } from "../support/places.js";
import { bundle, has, root, run } from "./support.js";

const folder = makeFolder(afterAll);
const manifest = z
  .looseObject({ version: z.string(), files: z.array(z.string()), dependencies: z.unknown().optional() })
  .parse(JSON.parse(readFileSync(join(root, "package.json"), "utf8")));

/** Packs as it is: the build of `npm test` is what goes in. */
async function pack(...args: string[]) {
  const { stdout } = await run("npm", ["pack", "--ignore-scripts", "--json", "--loglevel=error", ...args]);
  const packed: unknown = JSON.parse(stdout.slice(stdout.search(/[[{]/)));
  // compat: npm 11 prints an object by package name, npm 10 a list.
  const entries: unknown[] = Array.isArray(packed)
    ? packed
    : Object.values(z.record(z.string(), z.unknown()).parse(packed));
  const entry = z.object({ filename: z.string(), size: z.number(), files: z.array(z.object({ path: z.string() })) });
  return entry.parse(entries[0]);
}

describe("the npm package", () => {
  it("holds what it must, and nothing else", async () => {
    const { files, size } = await pack("--dry-run");
    const paths = files.map(({ path }) => path).sort();
    const wanted = [
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "package.json",
      "dist/THIRD_PARTY_LICENSES.txt",
      ...["execa", "metrics", "nri-v01-bridge", "tools"].map((name) => `dist/${name}.mjs`),
      "docs/man/nri-v01-bridge.1",
      ...below("deploy"),
      ...below("legacy-plugins"),
      ...readdirSync(join(root, "docs")).flatMap((name) => (/\.(md|json)$/.test(name) ? [`docs/${name}`] : [])),
    ].sort();
    expect(paths).toEqual(wanted);
    expect(size).toBeLessThan(1_000_000);
    // Nothing is needed beside it but the optional native library.
    expect(manifest.dependencies).toBeUndefined();
  }, 30_000);

  it("runs from the tarball, installed without a network", async () => {
    const { filename } = await pack("--pack-destination", folder);
    const project = join(folder, "project");
    mkdirSync(project);
    writeFileSync(join(project, "package.json"), "{}");
    // An address where nobody listens, and no cache: whatever is not in the tarball is not to be had.
    const offline = ["--offline", "--omit=optional", "--no-audit", "--no-fund", `--cache=${join(folder, "cache")}`];
    const installed = await run("npm", ["install", ...offline, join(folder, filename)], { cwd: project });
    expect(installed).toMatchObject({ code: 0 });
    const help = await run("npx", ["--offline", "nri-v01-bridge", "--help"], { cwd: project });
    expect(help).toMatchObject({ code: 0 });
    expect(help.stdout).toContain("Usage: nri-v01-bridge");
    const { stdout } = await run("npx", ["--offline", "nri-v01-bridge", "version", "--json"], { cwd: project });
    expect(JSON.parse(stdout)).toMatchObject({ version: manifest.version });
  }, 120_000);
});

describe("THIRD_PARTY_LICENSES.txt", () => {
  it("names each package whose code is in the bundle, with its licence's text", async () => {
    const options = { bundle: true, platform: "node", format: "esm", write: false, metafile: true } as const;
    const { metafile } = await build({ ...options, entryPoints: [join(root, "src/main.ts")], logLevel: "silent" });
    const inputs = Object.keys(metafile.inputs).join("\n");
    const names = new Set(
      [...inputs.matchAll(/node_modules\/((?:@[^/]+\/)?[^/]+)\/[^@\n]*$/gm)].map(([, name = ""]) => name),
    );
    expect(names.size).toBeGreaterThan(5);
    const text = readFileSync(join(root, "dist/THIRD_PARTY_LICENSES.txt"), "utf8");
    const missing = [...names].filter((name) => !new RegExp(`^${name.replaceAll(".", "\\.")} \\d`, "m").test(text));
    expect(missing).toEqual([]);
    const licences = text.match(/Permission is hereby granted|Redistribution and use|TERMS AND CONDITIONS/g);
    expect(licences?.length).toBeGreaterThan(5);
  });
});

describe("the man page", () => {
  const page = join(root, "docs/man/nri-v01-bridge.1");

  it("has each command and each exit code", async () => {
    const text = readFileSync(page, "utf8");
    const { stdout } = await run(process.execPath, [bundle, "--help"]);
    const verbs = [...stdout.matchAll(/^ {2}([a-z]+)(?: |$)/gm)].flatMap(([, verb]) => (verb === "help" ? [] : [verb]));
    expect(verbs.length).toBeGreaterThan(5);
    for (const verb of verbs) expect(text).toMatch(new RegExp(`^\\.SS ${verb} `, "m"));
    for (const code of [0, 1, 2, 3, 4, 5, 70]) expect(text).toContain(`\n.B ${code}\n`);
  });

  it.skipIf(!has("mandoc"))("has no faults for mandoc", async () => {
    const { stdout } = await run("mandoc", ["-T", "lint", "-W", "error", page]);
    expect(stdout).toBe("");
  });
});

/** The files below a folder of the repository. */
function below(directory: string): string[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
    .map((name) => `${directory}/${name}`)
    .filter((path) => statSync(join(root, path), { throwIfNoEntry: false })?.isFile());
}
