// Writes the table of configuration keys into README.md, from the schema.
// With --check it writes nothing and fails when the table is not up to date.
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const root = new URL("..", import.meta.url);
const readme = new URL("README.md", root);
const { outputFiles } = await build({
  entryPoints: [new URL("src/config/keys.ts", root).pathname],
  bundle: true,
  platform: "node",
  format: "esm",
  write: false,
});
const { configKeys } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`
);

const cell = (text) => text.replaceAll("|", "\\|");
const rows = configKeys().map(({ path, defaultValue, choices, description }) => {
  const values = choices.length > 0 ? ` (${choices.map((choice) => `\`${choice}\``).join(", ")})` : "";
  return `| \`${path}\` | \`${cell(JSON.stringify(defaultValue))}\` | ${cell(description)}${values} |`;
});
const table = ["| key | default | meaning |", "|---|---|---|", ...rows].join("\n");

const [begin, end] = ["<!-- keys: made by npm run gen -->", "<!-- end of keys -->"];
const text = readFileSync(readme, "utf8");
const [from, to] = [text.indexOf(begin), text.indexOf(end)];
if (from < 0 || to < from) throw new Error(`README.md lacks the lines ${begin} and ${end}`);
const updated = `${text.slice(0, from)}${begin}\n${table}\n${text.slice(to)}`;

if (!process.argv.includes("--check")) writeFileSync(readme, updated);
else if (updated !== text) {
  console.error("the table of keys in README.md is not up to date: npm run gen");
  process.exit(1);
}
