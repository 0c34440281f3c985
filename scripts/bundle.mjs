// What the two builds share: how src becomes one script.
import { readFileSync } from "node:fs";
import { build } from "esbuild";

const root = new URL("..", import.meta.url);
export const { version } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));

/**
 * Bundles a file of src, or main.ts, into one script.
 * @param apart modules that stay outside, with the file beside the script that has each
 * @returns esbuild's metafile: which files of which packages went in
 */
export async function bundle({ entry = "src/main.ts", outfile, format, banner, define = {}, apart = {} }) {
  const { metafile } = await build({
    entryPoints: [new URL(entry, root).pathname],
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
    plugins: [
      {
        name: "apart",
        setup: ({ onResolve }) =>
          onResolve({ filter: /./ }, ({ path }) => (path in apart ? { path: apart[path], external: true } : undefined)),
      },
    ],
    logLevel: "warning",
  });
  return metafile;
}
