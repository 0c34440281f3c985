// Writes src/gen/built-in.ts: the pod and the sample plugins that `simulate` plays from the one-file build.
// With --check it writes nothing and fails when the file is not up to date.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { writeOrCheck } from "./write-or-check.mjs";

const root = new URL("..", import.meta.url).pathname;
const plugins = ["clearcfs", "no-latest"];

const filesBelow = (folder) =>
  readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? filesBelow(path) : [path];
    });

const demo = join(root, "fixtures/scenarios/demo");
const files = Object.fromEntries(filesBelow(demo).map((path) => [relative(demo, path), readFileSync(path, "utf8")]));
const programs = Object.fromEntries(
  plugins.map((name) => [name, readFileSync(join(root, "legacy-plugins", name), "utf8")]),
);
const text = `// Made by scripts/gen-built-in.mjs from fixtures/scenarios/demo and legacy-plugins; do not edit.

/** The files of the pod that \`simulate\` plays, by their path in its folder. */
export const demoPod: Readonly<Record<string, string>> = ${JSON.stringify(files, null, 1)};

/** The text of the sample plugins, by name. */
export const builtInPlugins: Readonly<Record<string, string>> = ${JSON.stringify(programs, null, 1)};
`;
writeOrCheck("src/gen/built-in.ts", text);
