// Whose code is in the bundle, and under which licence: their licences ask for their text to go with it.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;

/** The folders of the packages that esbuild took files from, such as node_modules/pino, and koffi's native file. */
export function bundledPackages(metafile) {
  const folders = Object.keys(metafile.inputs).flatMap((file) => {
    const [folder] = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? [];
    return folder === undefined ? [] : [folder];
  });
  if (existsSync(join(root, "node_modules/koffi"))) folders.push("node_modules/koffi");
  return [...new Set(folders)].sort();
}

/** The text of THIRD_PARTY_LICENSES. @throws Error when a package says nothing of its licence */
export function formatLicenses(folders) {
  const parts = folders.map((folder) => {
    const { name, version, license, author } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    if (license === undefined) throw new Error(`${folder} names no licence`);
    const texts = readdirSync(join(root, folder)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
    const by = typeof author === "string" ? author : author?.name;
    const body =
      texts.length > 0
        ? texts.sort().map((file) => readFileSync(join(root, folder, file), "utf8").trim())
        : [`${license}${by === undefined ? "" : `, by ${by}`}; the package has no file with the licence's text.`];
    return [`${name} ${version} (${license})`, ...body].join("\n\n");
  });
  const head = "The programs of nri-v01-bridge hold code of these packages.";
  return `${[head, ...parts].join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
