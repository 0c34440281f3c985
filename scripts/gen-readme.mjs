// Writes the keys of the configuration, from the schema, to src/gen/config-keys.ts and into the table of README.md.
// With --check it writes nothing and fails when one of them is not up to date.
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const root = new URL("..", import.meta.url);
const readme = new URL("README.md", root);
const { outputFiles } = await build({
  entryPoints: [new URL("src/config/derive-keys.ts", root).pathname],
  bundle: true,
  platform: "node",
  format: "esm",
  write: false,
});
const { deriveKeys } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`
);

const keys = deriveKeys();
const cell = (text) => text.replaceAll("|", "\\|");
const rows = keys.map(({ path, defaultValue, choices, description }) => {
  const values = choices.length > 0 ? ` (${choices.map((choice) => `\`${choice}\``).join(", ")})` : "";
  return `| \`${path}\` | \`${cell(JSON.stringify(defaultValue))}\` | ${cell(description)}${values} |`;
});
const table = ["| key | default | meaning |", "|---|---|---|", ...rows].join("\n");

const [begin, end] = ["<!-- keys: made by npm run gen -->", "<!-- end of keys -->"];
const text = readFileSync(readme, "utf8");
const [from, to] = [text.indexOf(begin), text.indexOf(end)];
if (from < 0 || to < from) throw new Error(`README.md lacks the lines ${begin} and ${end}`);
const updated = `${text.slice(0, from)}${begin}\n${table}\n${text.slice(to)}`;

const generated = new URL("src/gen/config-keys.ts", root);
const module = `// Made by scripts/gen-readme.mjs from src/config/schema.ts; do not edit.
import type { ConfigKey } from "../config/keys.js";

export const generatedKeys: readonly ConfigKey[] = ${JSON.stringify(keys, null, 1)};
`;

for (const [file, wanted] of [
  [readme, updated],
  [generated, module],
]) {
  if (!process.argv.includes("--check")) writeFileSync(file, wanted);
  else if (readFileSync(file, "utf8") !== wanted) {
    console.error(`${file.pathname.slice(root.pathname.length)} is not up to date: npm run gen`);
    process.exitCode = 1;
  }
}
