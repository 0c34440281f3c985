// Nodes beside the one that runs this. nodes.json has their versions: the oldest that works, those that are supported and the
// newest, with which the tests are run; and the newest one with long-term support, which the image, the single executable and
// @types/node have. Each is the binary that npm's package `node` brings to this machine.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";

export const { newestLts, versions: nodes } = JSON.parse(readFileSync(new URL("nodes.json", import.meta.url), "utf8"));

/** The executable of a major version: installed below node_modules, where it is not yet. */
export function findNode(major) {
  const name = `node-linux-${process.arch}`;
  const folder = new URL(`../node_modules/.cache/${name}-${nodes[major]}`, import.meta.url).pathname;
  if (!existsSync(folder)) {
    // Beside its place, so that an installation that was cut short is none.
    const next = `${folder}.${process.pid}`;
    mkdirSync(next, { recursive: true });
    const options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
    try {
      execFileSync("npm", ["install", "--prefix", next, ...options, `${name}@${nodes[major]}`], { stdio: "inherit" });
      renameSync(next, folder);
    } finally {
      rmSync(next, { recursive: true, force: true });
    }
  }
  return `${folder}/node_modules/${name}/bin/node`;
}
