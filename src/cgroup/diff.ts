import { constants, fstatSync, lstatSync, openSync, readdirSync, readSync, type Stats, statfsSync } from "node:fs";
import { attempt, errorText, excerpt } from "../base/errors.js";
import { closing } from "../base/files.js";
import type { LinuxResources } from "../v01/resources.js";
import type { CgroupWrite } from "./container-cgroup.js";
import { cgroupRoot, hierarchies } from "./controllers.js";
import { fateOf, type Place } from "./fields.js";
import type { Keeper } from "./keeper.js";
import { ownDirectory, ruleFiles, type SeedFile, templateOf, untouchedTime } from "./tree.js";

interface CaptureInput {
  readonly place: Place;
  readonly tree: Pick<Keeper, "root" | "directories" | "rules" | "lastInode">;
  /** The container's path below each hierarchy. */
  readonly cgroupsPath: string;
  readonly seed: readonly SeedFile[];
  /** Files of cgroups above the container's, below the view's root. */
  readonly parents: readonly string[];
  /** Inodes that were free before the plugin ran. */
  readonly freeInodes: number;
}

/** What a plugin did in its view: only what differs from the seed. */
export interface CapturedChanges {
  /** What NRI, or the bridge in phase start, can carry. */
  readonly resources: LinuxResources;
  /** What goes to files of the container's real cgroup v1, in the order of writing. */
  readonly files: readonly CgroupWrite[];
  /** What no kernel would have taken. */
  readonly errors: readonly CaptureNote[];
  /** What nothing carries, and why. */
  readonly lost: readonly CaptureNote[];
}

/** Something that a plugin did in its view and that is more than a value. */
interface CaptureNote {
  /** As the plugin saw it, such as /sys/fs/cgroup/cpu/kubepods/x/cpu.shares. */
  readonly file: string;
  /** What was written, cut where it is long. */
  readonly value?: string | undefined;
  readonly text: string;
}

const onlyOwn = "only the container's own files are captured: write to those, or set `cgroup: host`";
const fullText =
  "the view is full, and what the plugin wrote last may be missing: write nothing but values there, or set `cgroup: host`";

const untouchedMs = untouchedTime * 1000;

/** No kernel file takes more at once (kernfs: a page). */
const maxContentBytes = 4096;
/** pipe(7): a FIFO holds so much. */
const maxRuleBytes = 64 * 1024;

/** Compares a view with its seed: one lstat for each file, and one statfs that tells whether anything is new. */
export function collectChanges(input: CaptureInput): CapturedChanges {
  const { tree, cgroupsPath, seed, place, parents } = input;
  const { directories, lastInode } = tree;
  const root = `/proc/self/fd/${tree.root}`;
  const resources: LinuxResources = {};
  const files: CgroupWrite[] = [];
  const errors: CaptureNote[] = [];
  const lost: CaptureNote[] = [];
  const removed = [...directories].flatMap(([directory, descriptor]) =>
    fstatSync(descriptor).nlink > 0 ? [] : [directory],
  );
  for (const directory of removed) {
    // The kernel would have refused that, and what the plugin wrote there went with it.
    const text = "the plugin removed the container's directory: leave it there, or set `cgroup: host`";
    errors.push({ file: `${cgroupRoot}/${directory}${cgroupsPath}`, text });
  }
  const touched = seed.flatMap((one) => {
    if (removed.includes(one.directory)) return [];
    const path = `/proc/self/fd/${directories.get(one.directory)}/${one.file.file}`;
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats?.mtimeMs === untouchedMs && !isOther(stats, one) ? [] : [{ one, path, stats }];
  });
  // Rules to allow and to deny: the file that was written last has the last word.
  for (const { one, path, stats } of touched.sort((a, b) => (a.stats?.mtimeMs ?? 0) - (b.stats?.mtimeMs ?? 0))) {
    const { controller, file } = one.file;
    const found = readChange(input, one, path, stats);
    if (found === undefined) continue;
    const note = (text: string): CaptureNote => ({
      file: `${cgroupRoot}/${controller}${cgroupsPath}/${file}`,
      value: found.shown === undefined ? undefined : excerpt(found.shown.trim(), maxShown),
      text,
    });
    if ("error" in found) {
      errors.push(note(found.error));
      continue;
    }
    const { value } = found;
    const fate = fateOf(one.file, place, one.isReal);
    if (typeof fate === "object") lost.push(note(fate.lost));
    else if (fate === "resources" && !("kind" in one.file)) one.file.assign(resources, value);
    else if (fate === "file")
      files.push({ controller, file, value, resets: "kind" in one.file && one.file.kind === "reset" });
  }
  for (const path of parents) {
    if (attempt(() => lstatSync(`${root}/${path}`).mtimeMs) === untouchedMs) continue;
    lost.push({ file: `${cgroupRoot}/${path}`, text: `written or removed; ${onlyOwn}` });
  }
  const { ffree, bavail } = statfsSync(root);
  const moved = touched.some(({ stats }) => stats === undefined || stats.ino > lastInode);
  if (moved || ffree !== input.freeInodes) lost.push(...findStrangers(root, input));
  if (bavail === 0 || ffree === 0) errors.push({ file: cgroupRoot, text: fullText });
  return { resources, files, errors, lost };
}

/** The FIFO that it is, below the view's root. */
function ruleFile({ directory, file }: SeedFile): string | undefined {
  return ruleFiles.find((path) => path === `${templateOf(directory)}/${file.file}`);
}

/** Neither a file, nor the FIFO that was there. */
function isOther(stats: Stats, one: SeedFile): boolean {
  return !stats.isFile() && !(stats.isFIFO() && ruleFile(one) !== undefined);
}

type Found = { readonly shown?: string } & ({ readonly value: string } | { readonly error: string });

/** What was written to a seeded file, as a value where it has a field; undefined where that is what it had. */
function readChange(input: CaptureInput, one: SeedFile, path: string, stats: Stats | undefined): Found | undefined {
  if (stats === undefined) return { error: "the plugin removed it: leave it there, or set `cgroup: host`" };
  if (isOther(stats, one)) {
    const error = `the plugin put ${kindOf(stats)} in its place, which is not followed: write the value to the file itself`;
    return { error };
  }
  if (stats.size > maxContentBytes)
    return { error: `it holds ${stats.size} bytes, more than a kernel file takes: write the value alone` };
  let content: string;
  try {
    const rule = stats.isFIFO() ? input.tree.rules.get(ruleFile(one) ?? "") : undefined;
    content = rule === undefined ? readPlain(path) : readSome(rule, maxRuleBytes);
  } catch (thrown) {
    return { error: `it cannot be read: ${errorText(thrown)}` };
  }
  const byLine = !("kind" in one.file) ? one.file.byLine === true : !/^.*\n\n$/.test(one.content);
  // Another file that was put in the seeded one's place, as sed -i does, mixes with nothing.
  const texts = readWritten(one.content, content, { replaced: stats.ino > input.tree.lastInode, byLine });
  return judge(one, texts);
}

function judge({ file, content, value: before }: SeedFile, texts: readonly string[]): Found | undefined {
  const parsed = texts.map((text) => ("kind" in file ? ({ ok: true, value: text } as const) : file.parse(text)));
  const values = [...new Set(parsed.flatMap((one) => (one.ok ? [one.value] : [])))];
  const [value] = values;
  const shown = texts.at(-1);
  if (shown === undefined) return undefined;
  const quoted = JSON.stringify(excerpt(shown, maxShown));
  if (value === undefined) {
    const [reason] = parsed.flatMap((one) => (one.ok ? [] : [one.reason]));
    return { error: `${quoted} ${reason}`, shown };
  }
  if (values.length > 1) {
    const over = JSON.stringify(excerpt(content.trim(), maxShown));
    const text = `written over ${over} without truncating the file; it can be any of ${values.join(", ")}`;
    return { error: `${text}: write a newline after the value, or truncate`, shown };
  }
  const lines = (before ?? content).trim().split("\n");
  const changed = value.split("\n").filter((line) => !lines.includes(line));
  return value === (before ?? content.trim()) || changed.length === 0
    ? undefined
    : { value: changed.join("\n"), shown };
}

/** Never follows a link and never waits, whatever a background process puts there meanwhile. */
function readPlain(path: string): string {
  return closing(openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK), (descriptor) => {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new Error(`it is ${kindOf(stats)}`);
    return readSome(descriptor, maxContentBytes);
  });
}

function readSome(descriptor: number, bytes: number): string {
  const buffer = Buffer.alloc(bytes);
  return buffer.toString("utf8", 0, readSync(descriptor, buffer));
}

function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return "a symbolic link";
  return stats.isDirectory() ? "a directory" : "a special file";
}

const maxNotes = 10;
const maxShown = 64;

/** Looks for what was not there before the plugin ran, in the whole tree. The view's number of inodes bounds the work. */
function findStrangers(root: string, { cgroupsPath, seed, parents }: CaptureInput): CaptureNote[] {
  const known = new Set(parents);
  for (const { directory, file } of seed) known.add(`${directory}${cgroupsPath}/${file.file}`);
  for (const { directory, links } of hierarchies) {
    for (const link of links) known.add(link);
    const names = `${directory}${cgroupsPath}`.split("/");
    for (const index of names.keys()) known.add(names.slice(0, index + 1).join("/"));
  }
  const made = readdirSync(root, { withFileTypes: true, recursive: true })
    .map((entry) => ({ entry, path: `${entry.parentPath}/${entry.name}`.slice(root.length + 1) }))
    .filter(({ path }) => !known.has(path) && path.split("/")[0] !== ownDirectory);
  const notes = made.slice(0, maxNotes).map(({ entry, path }) => {
    const what = entry.isDirectory() ? "directory" : "file";
    return { file: `${cgroupRoot}/${path}`, text: `the plugin made this ${what}; ${onlyOwn}` };
  });
  const rest = made.length - notes.length;
  return rest > 0 ? [...notes, { file: cgroupRoot, text: `the plugin made ${rest} more files there` }] : notes;
}

/**
 * Finds the last write in a plain file that stands for a kernel's, white space around it removed: no text when nothing, or nothing
 * but white space, was written; nearly always there is one. A kernel file takes each write for itself, wherever the
 * file was truncated or not; in a plain file the writes and the text before them mix.
 *
 * - Truncated (`>`, Go's WriteFile, fopen "w"): the content is what was written; of several lines the last one counts, or all of them
 *   where a write sets a line of the file.
 * - Appended (`>>`): what stands after the seed; the same of several lines.
 * - Written over without truncating (opencontainers/cgroups, open(O_WRONLY) in C): the text, then the seed's tail. The second
 *   newline of a seeded number tells it from the first case. Where the text ended cannot always be told: `50000` over
 *   `100000` leaves `500000`, as does `5000`. Then all that it can have been are answered.
 */
export function readWritten(
  seed: string,
  content: string,
  { replaced = false, byLine = false }: { readonly replaced?: boolean; readonly byLine?: boolean } = {},
): readonly string[] {
  if (!replaced && seed !== "" && content.length > seed.length && content.startsWith(seed)) {
    return lastWrite(content.slice(seed.length), byLine);
  }
  return !replaced && !byLine && isWrittenOver(seed, content) ? overlay(seed, content) : lastWrite(content, byLine);
}

/** Only a text that was not truncated has the seed's length and its end. */
function isWrittenOver(seed: string, content: string): boolean {
  return content.length === seed.length && seed.length > 1 && content.slice(-2) === seed.slice(-2);
}

function overlay(seed: string, content: string): readonly string[] {
  let differing = content.length;
  while (differing > 0 && content[differing - 1] === seed[differing - 1]) differing--;
  const end = content.indexOf("\n");
  // A newline where the seed had none was written, and ends the text.
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
