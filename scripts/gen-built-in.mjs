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

/** The texts of a case's files; of an event what is played, not the `body` that people read. */
const caseBelow = (folder) =>
  Object.fromEntries(
    filesBelow(folder)
      .map((path) => [relative(folder, path), readFileSync(path, "utf8")])
      .filter(([name]) => !name.startsWith("expected/"))
      .map(([name, text]) => [name, name === "events.jsonl" ? text.replace(/^.+$/gm, withoutBody) : text]),
  );

const withoutBody = (line) => {
  const { body: _, ...event } = JSON.parse(line);
  return JSON.stringify(event);
};

const folders = { containerd: "scenarios/demo", "cri-o": "crio/no-infra-container" };
const pods = Object.fromEntries(
  Object.entries(folders).map(([name, folder]) => [name, caseBelow(join(root, "fixtures", folder))]),
);
const programs = Object.fromEntries(
  plugins.map((name) => [name, readFileSync(join(root, "legacy-plugins", name), "utf8")]),
);
const text = `// Made by scripts/gen-built-in.mjs from fixtures and legacy-plugins; do not edit.

/** The pod of each runtime that \`simulate\` plays: its files, by their path in its folder. */
export const demoPods: Readonly<Record<string, Readonly<Record<string, string>>>> = ${JSON.stringify(pods, null, 1)};

/** The text of the sample plugins, by name. */
export const builtInPlugins: Readonly<Record<string, string>> = ${JSON.stringify(programs, null, 1)};
`;
writeOrCheck("src/gen/built-in.ts", text);
