// What the two builds share: how src becomes one script.
import { readFileSync } from "node:fs";
import { build } from "esbuild";

const root = new URL("..", import.meta.url);
export const { version } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));

/** Bundles src/main.ts into one script. @returns esbuild's metafile: which files of which packages went in */
export async function bundle({ outfile, format, banner, define = {} }) {
  const { metafile } = await build({
    entryPoints: [new URL("src/main.ts", root).pathname],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20.19",
    format,
    // Names stay, for stacks; white space goes: reading the file is most of the start.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "eof",
    metafile: true,
    define: { BRIDGE_VERSION: JSON.stringify(version), ...define },
    banner: { js: banner },
    logLevel: "warning",
  });
  return metafile;
}
