import { constants, fstatSync, lstatSync, openSync, readdirSync, readSync, type Stats, statfsSync } from "node:fs";
import { attempt, errorText, excerpt } from "../base/errors.js";
import { closing } from "../base/files.js";
import type { LinuxResources } from "../v01/resources.js";
import type { CgroupWrite } from "./container-cgroup.js";
import { fateOf, type Place } from "./fields.js";
import type { Keeper } from "./keeper.js";
import { ownDirectory, ruleFiles, type SeedFile, templateFile, untouchedTime } from "./tree.js";
import { cgroupRoot, hierarchies } from "./v1-files.js";

interface CaptureInput {
  readonly place: Place;
  readonly tree: Keeper;
  readonly cgroupsPath: string;
  readonly seed: readonly SeedFile[];
  /** The paths of the cpuset files in the cgroups above the container's, below the view's root. */
  readonly parents: readonly string[];
  readonly freeInodes: number;
}

export type CapturedChanges = Readonly<ReturnType<typeof collectChanges>>;

const noEffect = (path: string, text: string) => `the plugin's write to ${cgroupRoot}${path} has no effect: ${text}`;

const onlyOwn = "the bridge captures only the container's own cgroup files: write to those, or set `cgroup: host`";
const full =
  "the captured view is full, and the last writes may be missing: write nothing but values there, or set `cgroup: host`";

const untouchedMs = untouchedTime * 1000;
/** The most bytes that a kernel file takes in one write (kernfs: a page), and that a FIFO of device rules holds (pipe(7)). */
const maxContentBytes = 4096;
const maxRuleBytes = 64 * 1024;

/**
 * Finds what a plugin wrote into its view, by a comparison with the seed: one fstat for each file, and one statfs, whose number of
 * free inodes shows whether the plugin made new files.
 */
export function collectChanges(input: CaptureInput) {
  const { tree, cgroupsPath, seed, place, parents } = input;
  const root = `/proc/self/fd/${tree.root}`;
  // `resources`: writes that NRI, or in phase start the bridge, can apply. `files`: writes to files of the real cgroup v1, in the
  // order of the writes.
  const resources: LinuxResources = {};
  const files: CgroupWrite[] = [];
  // Sentences with reasons. `errors`: writes that no kernel accepts. `lost`: writes that neither NRI nor the bridge can apply.
  const errors: string[] = [];
  const lost: string[] = [];
  const isUntouched = (descriptor: number) => fstatSync(descriptor).mtimeMs === untouchedMs;
  // If a directory's mtime is untouched, the plugin has added, removed and replaced no file there, so the bridge's open descriptors
  // are still the directory's files.
  const sameDirectories = new Set(
    [...tree.directories.keys()].filter((name) => isUntouched(tree.directories.get(name) ?? -1)),
  );
  const touched = seed.flatMap((one) => {
    if (sameDirectories.has(one.directory) && isUntouched(tree.files.get(templateFile(one)) ?? -1)) return [];
    const path = `/proc/self/fd/${tree.directories.get(one.directory)}/${one.file.file}`;
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return [{ ...one, path, stats, at: stats?.mtimeMs ?? 0 }];
  });
  // In the order of the last writes, since of devices.allow and devices.deny the file that the plugin wrote last wins.
  for (const one of touched.sort((a, b) => a.at - b.at)) {
    const { controller, file } = one.file;
    // For a removed file the path is that of the directory, so that a removed directory gives one error.
    const path = `/${controller}${cgroupsPath}${one.stats === undefined ? "" : `/${file}`}`;
    try {
      const value = readChange(one, tree);
      const fate = value === undefined ? "none" : fateOf(one.file, place, one.isReal);
      if (value === undefined || fate === "none") continue;
      if (fate === "resources") one.file.assign(resources, value);
      else if (fate === "file") files.push({ controller, file, value });
      else lost.push(noEffect(path, `${quote(value)}: ${fate.lost}`));
    } catch (thrown) {
      errors.push(noEffect(path, errorText(thrown)));
    }
  }
  if (parents.some((path) => attempt(() => lstatSync(`${root}/${path}`).mtimeMs) !== untouchedMs))
    lost.push(noEffect("/cpuset", `the plugin wrote or removed a file above the container's cgroup; ${onlyOwn}`));
  const { ffree, bavail } = statfsSync(root);
  const moved = touched.some(({ stats }) => stats === undefined || stats.ino > tree.lastInode);
  if (moved || ffree !== input.freeInodes) lost.push(...findStrangers(root, input));
  if (bavail === 0 || ffree === 0) errors.push(noEffect("", full));
  return { resources, files, errors: [...new Set(errors)], lost };
}

type Touched = SeedFile & { readonly path: string; readonly stats: Stats | undefined };

/**
 * The lines that the plugin wrote to a file and that the file did not have before, as a value; undefined if there are none.
 * @throws Error when the kernel would refuse the write, when the written value is ambiguous, or when the file is gone
 */
function readChange(one: Touched, tree: Keeper): string | undefined {
  const { file, value: before, content, path, stats } = one;
  if (stats === undefined)
    throw new Error("the plugin removed this file or a folder above: let the plugin keep them, or set `cgroup: host`");
  const name = templateFile(one);
  const rule = stats.isFIFO() && ruleFiles.includes(name) ? tree.files.get(name) : undefined;
  if (rule === undefined && !stats.isFile())
    throw new Error(
      "the plugin replaced the file with something that is not a file: write the value to the file itself",
    );
  if (stats.size > maxContentBytes)
    throw new Error(`the file holds ${stats.size} bytes, more than a kernel file takes: write the value alone`);
  if (stats.mtimeMs === untouchedMs) return undefined;
  // The open never follows a link and never waits, whatever a background process of the plugin puts there meanwhile.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const written = rule === undefined ? closing(openSync(path, flags), readOpen) : (attempt(() => readOpen(rule)) ?? "");
  // A new file that the plugin put in the seeded file's place, as sed -i does, holds nothing of the seed.
  const texts = readWritten(content, written, { replaced: stats.ino > tree.lastInode, byLine: file.byLine });
  const parsed = texts.map((text) => file.parse(text));
  const values = [...new Set(parsed.flatMap((one) => (one.ok ? [one.value] : [])))];
  const [value] = values;
  const [reason] = parsed.flatMap((one) => (one.ok ? [] : [one.reason]));
  if (value === undefined && reason !== undefined) throw new Error(`${quote(texts.at(-1) ?? "")} ${reason}`);
  if (values.length > 1) {
    const text = `written over ${quote(content.trim())} without truncating the file; the value can be any of ${values.join(", ")}`;
    throw new Error(`${text}: write a newline after the value, or truncate`);
  }
  const lines = before.split("\n");
  const changed = value?.split("\n").filter((line) => !lines.includes(line)) ?? [];
  return changed.length === 0 ? undefined : changed.join("\n");
}

const quote = (text: string) => JSON.stringify(excerpt(text, 64));

function readOpen(descriptor: number): string {
  const buffer = Buffer.alloc(maxRuleBytes);
  return buffer.toString("utf8", 0, readSync(descriptor, buffer));
}

/** Looks for files and directories that the plugin made in its view. The view's number of inodes bounds the work. */
function findStrangers(root: string, { cgroupsPath, seed, parents }: CaptureInput): string[] {
  const known = new Set([...parents, ...seed.map(({ directory, file }) => `${directory}${cgroupsPath}/${file.file}`)]);
  for (const { directory, links } of hierarchies) {
    for (const link of links) known.add(link);
    const names = `${directory}${cgroupsPath}`.split("/");
    for (const index of names.keys()) known.add(names.slice(0, index + 1).join("/"));
  }
  const made = readdirSync(root, { withFileTypes: true, recursive: true })
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(root.length))
    .filter((path) => !known.has(path.slice(1)) && path.split("/")[1] !== ownDirectory);
  const [first] = made;
  const rest = made.length > 1 ? ` and ${made.length - 1} more` : "";
  return first === undefined ? [] : [noEffect(first, `the plugin made this path${rest}; ${onlyOwn}`)];
}

/**
 * Finds a plugin's last write in a plain file that stands for a kernel file, without the white space around the text.
 * What the file holds depends on how the plugin wrote:
 * - Truncated (`>`, Go's WriteFile): the last line is the write, or all lines where a write sets one line of the file.
 * - Appended (`>>`): the same, for the text after the seed.
 * - Written over (opencontainers/cgroups, open(O_WRONLY) in C): the file holds the write, then the rest of the seed.
 *   The second newline of a seeded number distinguishes this case from the first. If several writes would leave the
 *   same text, as `50000` and `5000` over `100000` do, the result has all of them.
 */
export function readWritten(
  seed: string,
  content: string,
  { replaced = false, byLine = false }: { readonly replaced?: boolean; readonly byLine?: boolean | undefined } = {},
): readonly string[] {
  if (!replaced && seed !== "" && content.length > seed.length && content.startsWith(seed)) {
    return lastWrite(content.slice(seed.length), byLine);
  }
  return !replaced && !byLine && isWrittenOver(seed, content) ? overlay(seed, content) : lastWrite(content, byLine);
}

/** Whether the plugin wrote over the seed without truncation: only then does the file have the seed's length and end. */
function isWrittenOver(seed: string, content: string): boolean {
  return content.length === seed.length && seed.length > 1 && content.slice(-2) === seed.slice(-2);
}

function overlay(seed: string, content: string): readonly string[] {
  let differing = content.length;
  while (differing > 0 && content[differing - 1] === seed[differing - 1]) differing--;
  const end = content.indexOf("\n");
  // The plugin wrote a newline where the seed has none: the newline ends the written text.
  if (end < seed.indexOf("\n")) return lastWrite(content.slice(0, Math.max(end + 1, differing)), false);
  const texts: string[] = [];
  for (let length = Math.max(differing, 1); length <= end; length++) texts.push(content.slice(0, length).trim());
  return texts.length === 0 ? lastWrite(content, false) : [...new Set(texts)];
}

function lastWrite(content: string, byLine: boolean): readonly string[] {
  const lines = content
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return lines.length === 0 ? [] : [byLine ? lines.join("\n") : (lines.at(-1) ?? "")];
}
