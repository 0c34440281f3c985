import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { has, librariesOf, root, run } from "./support.js";

/** What Debian's slim image has of what the bridge, its views and shell plugins use. */
const shellTools = "sh cat cp mv rm mkdir mkfifo chown readlink basename sleep grep awk sed touch chmod ls";
const viewTools = "unshare mount umount nsenter bash setpriv";

/** One line of a Dockerfile, continued lines joined: `COPY --from=build a b/`. */
interface Instruction {
  readonly name: string;
  readonly text: string;
}

export function readDockerfile(): Instruction[] {
  const text = readFileSync(join(root, "deploy/image/Dockerfile"), "utf8");
  const lines = text.replaceAll("\\\n", " ").split("\n");
  return lines.flatMap((line) => {
    const [, name, rest] = /^([A-Z]+) (.*)$/.exec(line.trim()) ?? [];
    return name === undefined || rest === undefined ? [] : [{ name, text: rest }];
  });
}

/** The instructions of the last stage: what the image is. */
export function lastStage(instructions: readonly Instruction[]): Instruction[] {
  return instructions.slice(instructions.findLastIndex(({ name }) => name === "FROM"));
}

/**
 * Makes the image's root in a folder, without Docker: this machine's Node and tools with their libraries stand in for the base
 * image, and what the last stage copies is copied; what it takes from the build stage is this repository's dist.
 */
export async function buildImageRoot(target: string): Promise<void> {
  for (const directory of ["tmp", "proc", "sys", "dev", "etc", "run", "usr/bin", "usr/lib", "var/lib"]) {
    mkdirSync(join(target, directory), { recursive: true });
  }
  for (const [link, to] of Object.entries({ bin: "usr/bin", sbin: "usr/bin", lib: "usr/lib", lib64: "usr/lib" })) {
    symlinkSync(to, join(target, link));
  }
  symlinkSync("/run", join(target, "var/run"));
  await copyProgram(process.execPath, target);
  for (const tool of `${shellTools} ${viewTools}`.split(" ")) {
    const { stdout } = await run("sh", ["-c", `command -v ${tool}`]);
    if (has(tool)) await copyProgram(stdout.trim(), target);
  }
  for (const { name, text } of lastStage(readDockerfile())) {
    if (name !== "COPY") continue;
    const words = text.split(" ").filter((word) => !word.startsWith("--"));
    const to = join(target, words.at(-1) ?? "");
    mkdirSync(to, { recursive: true });
    for (const word of words.slice(0, -1)) {
      const from = text.includes("--from=build") ? word.replace(/^\/build\//, "") : word;
      if (!existsSync(join(root, from))) throw new Error(`the image wants ${from}, which is not there`);
      cpSync(join(root, from), join(to, basename(from)), { dereference: true });
    }
  }
}

/** A program under /usr/bin, with the libraries that the loader would take, each under its own path. */
async function copyProgram(program: string, target: string): Promise<void> {
  const to = join(target, "usr/bin", basename(program));
  cpSync(program, to, { dereference: true });
  chmodSync(to, 0o755);
  for (const library of await librariesOf(program)) {
    const place = join(target, library);
    if (existsSync(place)) continue;
    mkdirSync(dirname(place), { recursive: true });
    cpSync(library, place, { dereference: true });
  }
}
