// Writes the keys of the configuration, from the schema, into the table of docs/CONFIG.md.
// With --check it writes nothing and fails when the table is not up to date.
import { readFileSync } from "node:fs";
import { build } from "esbuild";
import * as z from "zod/mini";
import { writeOrCheck } from "./write-or-check.mjs";

const root = new URL("..", import.meta.url);
const compiled = new URL("dist/gen/schema.mjs", root);
await build({
  entryPoints: [new URL("src/config/schema.ts", root).pathname],
  outfile: compiled.pathname,
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
});
const { configSchema, configPaths, defaultConfig } = await import(compiled.href);
const schema = z.toJSONSchema(configSchema, { io: "input" });

const formsOf = (property) => property.anyOf ?? [property];
const inside = (property, name) =>
  formsOf(property).find(({ properties }) => properties !== undefined).properties[name];
const cell = (text) => text.replaceAll("|", "\\|");
const rows = configPaths.map((path) => {
  const names = path.split(".");
  const property = names.reduce(inside, schema);
  const byDefault = names.reduce((value, name) => value[name], defaultConfig);
  const words = formsOf(property).flatMap((form) => form.enum ?? form.const ?? []);
  const values = words.length > 0 ? ` (${words.map((word) => `\`${word}\``).join(", ")})` : "";
  return `| \`${path}\` | \`${cell(JSON.stringify(byDefault))}\` | ${cell(property.description)}${values} |`;
});
const ofPlugin = Object.entries(schema.properties.plugins.additionalProperties.properties);
for (const [name, { description }] of ofPlugin) {
  if (!Object.hasOwn(schema.properties, name)) rows.push(`| \`plugins.<type>.${name}\` | | ${cell(description)} |`);
}
const table = ["| key | default | meaning |", "|---|---|---|", ...rows].join("\n");

const [begin, end] = ["<!-- keys: made by npm run gen -->", "<!-- end of keys -->"];
const text = readFileSync(new URL("docs/CONFIG.md", root), "utf8");
const [from, to] = [text.indexOf(begin), text.indexOf(end)];
if (from < 0 || to < from) throw new Error(`docs/CONFIG.md lacks the lines ${begin} and ${end}`);
writeOrCheck("docs/CONFIG.md", `${text.slice(0, from)}${begin}\n${table}\n${text.slice(to)}`);
