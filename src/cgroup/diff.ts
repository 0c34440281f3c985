import { constants, fstatSync, lstatSync, openSync, readdirSync, readSync, type Stats, statfsSync } from "node:fs";
import { attempt, errorText, excerpt } from "../base/errors.js";
import { closing } from "../base/files.js";
import type { LinuxResources } from "../v01/resources.js";
import { cgroupRoot, hierarchies } from "./controllers.js";
import { ownDirectory, type SeedFile, templateFileOf, untouchedTime } from "./tree.js";

interface CaptureInput {
  /** The view's /sys/fs/cgroup, by a path that is safe to use from outside. */
  readonly root: string;
  /** The container's path below each hierarchy. */
  readonly cgroupsPath: string;
  /** An open descriptor of the container's directory in each hierarchy: no link that a plugin makes leads away from it. */
  readonly directories: ReadonlyMap<string, number>;
  /** An open descriptor of each seeded file, by its `templateFileOf`. */
  readonly files: ReadonlyMap<string, number>;
  readonly seed: readonly SeedFile[];
  /** Files of cgroups above the container's, below `root`. */
  readonly parents: readonly string[];
  /** Inodes that were free before the plugin ran. */
  readonly freeInodes: number;
  /** The number of the newest file from before the plugin ran: tmpfs counts up. */
  readonly lastInode: number;
}

/** What a plugin did in its view. */
export interface CapturedChanges {
  /** What it asks for: only the fields whose value differs from the seed's. */
  readonly resources: LinuxResources;
  /** What it asked for and cannot be had. */
  readonly errors: readonly CaptureNote[];
  /** What it did that no field can carry. */
  readonly warnings: readonly CaptureNote[];
}

const fullText =
  "the view is full, and what the plugin wrote last may be missing: write nothing but values there, or set `cgroup: host`";

const untouchedMs = untouchedTime * 1000;

/** No kernel file takes more at once (kernfs: a page). */
const maxContentBytes = 4096;

/** Compares a view with its seed: one fstat for each file and directory, and one statfs that tells whether anything is new. */
export function collectChanges(input: CaptureInput): CapturedChanges {
  const { root, cgroupsPath, directories, seed } = input;
  const resources: LinuxResources = {};
  const errors: CaptureNote[] = [];
  const warnings: CaptureNote[] = [];
  const removed = new Set<string>();
  const rearranged = new Set<string>();
  for (const [directory, descriptor] of directories) {
    const stats = fstatSync(descriptor);
    if (stats.mtimeMs !== untouchedMs) rearranged.add(directory);
    if (stats.nlink > 0) continue;
    removed.add(directory);
    // The kernel would have refused that, and what the plugin wrote there went with it.
    const text = "the plugin removed the container's directory: leave it there, or set `cgroup: host`";
    errors.push(captureNote(`${cgroupRoot}/${directory}${cgroupsPath}`, text));
  }
  for (const file of seed) {
    if (removed.has(file.directory)) continue;
    // As long as nothing came or went in its directory, what we have open is what is there.
    if (!rearranged.has(file.directory) && isUnwritten(input.files.get(templateFileOf(file)))) continue;
    const finding = findChange(input, file);
    if (finding === undefined) continue;
    const name = `${cgroupRoot}/${file.controller ?? file.directory}${cgroupsPath}/${file.file}`;
    if (finding.kind === "value" && file.field !== undefined) {
      if (finding.value !== file.field.value) file.field.file.assign(resources, finding.value);
    } else if (finding.kind === "fault" && file.field !== undefined) {
      errors.push(captureNote(name, finding.text, finding.value));
    } else if (finding.kind !== "value") {
      warnings.push(captureNote(name, finding.text, finding.value));
    }
  }
  for (const path of input.parents) {
    if (isUntouched(`${root}/${path}`)) continue;
    warnings.push(
      captureNote(`${cgroupRoot}/${path}`, "written or removed; only the container's own files are captured"),
    );
  }
  const { ffree, bavail } = statfsSync(root);
  if (ffree !== input.freeInodes)
    warnings.push(
      ...findStrangers(root, cgroupsPath, [
        ...seed.map(({ directory, file }) => `${directory}${cgroupsPath}/${file}`),
        ...input.parents,
      ]),
    );
  if (bavail === 0 || ffree === 0) errors.push(captureNote(cgroupRoot, fullText));
  return { resources, errors, warnings };
}

function isUnwritten(descriptor: number | undefined): boolean {
  return descriptor !== undefined && fstatSync(descriptor).mtimeMs === untouchedMs;
}

/** A directory on the way that is a file or a loop of links now was touched as well. */
function isUntouched(path: string): boolean {
  return attempt(() => lstatSync(path).mtimeMs === untouchedMs) ?? false;
}

type Finding =
  | { readonly kind: "value"; readonly value: string }
  /** `fault`: what a field would have got cannot be told or had; of a file without a field it is only a warning. */
  | { readonly kind: "fault" | "warning"; readonly text: string; readonly value?: string | undefined };

function findChange(input: CaptureInput, seed: SeedFile): Finding | undefined {
  const path = `/proc/self/fd/${input.directories.get(seed.directory)}/${seed.file}`;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return { kind: "warning", text: "the plugin removed it" };
  if (stats.isFile() && stats.mtimeMs === untouchedMs) return undefined;
  if (!stats.isFile())
    return fault(
      `the plugin put ${kindOf(stats)} in its place, which is not followed: write the value to the file itself`,
    );
  if (stats.size > maxContentBytes)
    return fault(`it holds ${stats.size} bytes, more than a kernel file takes: write the value alone`);
  let content: string;
  try {
    content = readRegularFile(path);
  } catch (thrown) {
    return fault(`it cannot be read: ${errorText(thrown)}`);
  }
  if (seed.field !== undefined) return findValue(seed, seed.field, content, stats.ino > input.lastInode);
  if (content === seed.content) return undefined;
  return { kind: "warning", text: "written, and no field of LinuxResources carries it", value: content };
}

/** `replaced`: another file was put in the seeded one's place, as sed -i does it; its text mixes with nothing. */
function findValue(
  seed: SeedFile,
  { file }: NonNullable<SeedFile["field"]>,
  content: string,
  replaced: boolean,
): Finding {
  const texts = readWritten(seed.content, content, replaced);
  if (texts.length === 0) return { kind: "warning", text: "emptied, and nothing was written to it" };
  const parsed = texts.map((text) => file.parse(text));
  const values = [...new Set(parsed.flatMap((one) => (one.ok ? [one.value] : [])))];
  const [value] = values;
  const shown = texts.at(-1) ?? "";
  if (value === undefined) {
    const [reason] = parsed.flatMap((one) => (one.ok ? [] : [one.reason]));
    return fault(`${quoteShort(shown)} ${reason ?? "is no value"}`, shown);
  }
  if (values.length === 1) return { kind: "value", value };
  const text = `written over ${quoteShort(seed.content.trim())} without truncating the file; it can be any of ${values.join(", ")}`;
  return fault(`${text}: write a newline after the value, or truncate`, shown);
}

function fault(text: string, value?: string): Finding {
  return { kind: "fault", text, value };
}

/** Never follows a link and never waits, whatever a background process puts there meanwhile. */
function readRegularFile(path: string): string {
  return closing(openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK), (descriptor) => {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new Error(`it is ${kindOf(stats)}`);
    const buffer = Buffer.alloc(maxContentBytes);
    return buffer.toString("utf8", 0, readSync(descriptor, buffer, 0, buffer.length, 0));
  });
}

function kindOf(stats: Stats): string {
  if (stats.isSymbolicLink()) return "a symbolic link";
  return stats.isDirectory() ? "a directory" : "a special file";
}

const maxNotes = 10;

/**
 * Looks for what was not there before the plugin ran, in the whole tree. The view's number of inodes bounds the work.
 * `root`: the view's /sys/fs/cgroup, by a path that is safe to use from outside; `seeded`: what was there, below it.
 */
function findStrangers(root: string, cgroupsPath: string, seeded: readonly string[]): CaptureNote[] {
  const files = new Set(seeded.map((path) => `/${path}`));
  const strangers: string[] = [];
  const parents = knownParents(cgroupsPath);
  const visit = (descriptor: number, at: string): void => {
    for (const entry of readdirSync(`/proc/self/fd/${descriptor}`, { withFileTypes: true })) {
      const path = `${at}/${entry.name}`;
      if (files.has(path) || path === `/${ownDirectory}`) continue;
      if (!parents.has(path)) strangers.push(`${path}${entry.isDirectory() ? "/" : ""}`);
      else if (entry.isDirectory())
        withDirectory(`/proc/self/fd/${descriptor}/${entry.name}`, (inner) => visit(inner, path));
    }
  };
  withDirectory(`${root}/.`, (descriptor) => visit(descriptor, ""));
  const notes = strangers.slice(0, maxNotes).map((path) => {
    const made = path.endsWith("/") ? "directory" : "file";
    return captureNote(
      `${cgroupRoot}${path}`,
      `the plugin made this ${made}; only the container's own files are captured`,
    );
  });
  const rest = strangers.length - notes.length;
  return rest > 0 ? [...notes, captureNote(cgroupRoot, `the plugin made ${rest} more files there`)] : notes;
}

/** The links, and every directory on the way to the container's. */
function knownParents(cgroupsPath: string): Set<string> {
  const known = new Set<string>();
  for (const { directory, links } of hierarchies) {
    for (const link of links) known.add(`/${link}`);
    const names = `${directory}${cgroupsPath}`.split("/");
    for (const index of names.keys()) known.add(`/${names.slice(0, index + 1).join("/")}`);
  }
  return known;
}

/** Opens a directory and never a link; one that is gone since it was listed is left out. */
function withDirectory(path: string, action: (descriptor: number) => void): void {
  const opened = attempt(() => openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW));
  if (opened !== undefined) closing(opened, action);
}

/** Something that a plugin did in its view and that is more than a value. */
interface CaptureNote {
  /** As the plugin saw it, such as /sys/fs/cgroup/cpu/kubepods/x/cpu.shares. */
  readonly file: string;
  /** What was written, cut where it is long. */
  readonly value?: string | undefined;
  readonly text: string;
}

const maxShown = 64;

function captureNote(file: string, text: string, value?: string): CaptureNote {
  return { file, value: value === undefined ? value : excerpt(value.trim(), maxShown), text };
}

/** A text of a plugin's, quoted and short enough for a message. */
function quoteShort(text: string): string {
  return JSON.stringify(excerpt(text, maxShown));
}

/**
 * Finds the last write in a plain file that stands for a kernel's, white space around it removed: no text when nothing, or nothing
 * but white space, was written; nearly always there is one. A kernel file takes each write for itself, wherever the
 * file was truncated or not; in a plain file the writes and the text before them mix.
 *
 * - Truncated (`>`, Go's WriteFile, fopen "w"): the content is what was written; of several lines the last one counts.
 * - Appended (`>>`): what stands after the seed; of several lines the last one.
 * - Written over without truncating (opencontainers/cgroups, open(O_WRONLY) in C): the text, then the seed's tail. The second
 *   newline of a seeded number tells it from the first case. Where the text ended cannot always be told: `50000` over
 *   `100000` leaves `500000`, as does `5000`. Then all that it can have been are answered.
 */
export function readWritten(seed: string, content: string, replaced = false): readonly string[] {
  if (content === "") return [];
  if (replaced) return lastLine(content);
  if (seed !== "" && content.length > seed.length && content.startsWith(seed)) {
    return lastLine(content.slice(seed.length));
  }
  return isWrittenOver(seed, content) ? overlay(seed, content) : lastLine(content);
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
  if (end < seed.indexOf("\n")) return lastLine(content.slice(0, Math.max(end + 1, differing)));
  const texts: string[] = [];
  for (let length = Math.max(differing, 1); length <= end; length++) texts.push(content.slice(0, length).trim());
  return texts.length === 0 ? lastLine(content) : [...new Set(texts)];
}

function lastLine(content: string): readonly string[] {
  const last = content
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .at(-1);
  return last === undefined ? [] : [last];
}
