import { isAbsolute, join } from "node:path";
import { PermissionWalk, type Way } from "../base/permissions.js";
import { parseShebang, readHead, type Shebang } from "./executable-format.js";

/** execve(2) follows at most this many interpreters, each named by the first line of the one before. */
const maxInterpreters = 5;
/** At most this many lookups of `#!/usr/bin/env NAME` are followed for one file. */
const maxFound = 5;
/**
 * Why the bridge must not execute a file in an environment with this PATH. null when only root and the bridge's own user can change
 * what then runs: the file, the interpreter that its first line names, the interpreter of that interpreter, and so on, and what
 * `#!/usr/bin/env NAME` finds. This also checks each directory of PATH before the one that has NAME, since a user who can write to
 * such a directory could put a program of that name there.
 */
export function findExecutableFault(path: string, searchPath: string, walk = new PermissionWalk()): string | null {
  const fault = walk.faultOf(path);
  if (fault !== null) return fault;
  const inner = new Interpreters(searchPath, walk).faultOf(path, walk.wayTo(path), 0);
  return inner === null ? null : `${inner} (the first line of ${path} leads there)`;
}

class Interpreters {
  private found = 0;

  constructor(
    private readonly searchPath: string,
    private readonly walk: PermissionWalk,
  ) {}

  /**
   * The fault of the files that the kernel executes besides this one, which the caller has checked. A missing interpreter is no
   * fault: execve reports it.
   */
  faultOf(path: string, way: Way, depth: number): string | null {
    const line = this.firstLineOf(way);
    if (line === null) return null;
    // The kernel refuses to go deeper (ELOOP), so nothing else would run.
    if (depth === maxInterpreters) return null;
    // The kernel resolves a relative interpreter from the plugin's working directory, which is the root.
    const interpreter = join("/", line.interpreter);
    const next = this.walk.wayTo(interpreter);
    const fault = next.fault ?? this.faultOf(interpreter, next, depth + 1);
    if (fault !== null || !(isEnv(interpreter) || isEnv(next.at))) return fault;
    const command = envCommand(line.argument);
    if (command === undefined) {
      return `${path}: its first line gives env "${line.argument}", which the bridge cannot follow; name the interpreter by its path`;
    }
    return command === "" ? null : this.foundFault(command);
  }

  private foundFault(command: string): string | null {
    if (++this.found > maxFound) return `${command}: env leads to more than ${maxFound} scripts, one after the other`;
    const places = command.includes("/") ? [join("/", command)] : [];
    for (const entry of places.length > 0 ? [] : this.searchPath.split(":")) {
      const directory = isAbsolute(entry) ? entry : join("/", entry);
      const fault = this.walk.directoryFault(directory);
      if (fault !== null) return fault;
      places.push(join(directory, command));
      const { stats } = this.walk.wayTo(join(directory, command));
      if (stats?.isFile() && (stats.mode & 0o111) !== 0) break;
    }
    for (const place of places) {
      const way = this.walk.wayTo(place);
      const fault = way.fault ?? this.faultOf(place, way, 0);
      if (fault !== null) return fault;
    }
    return null;
  }

  private firstLineOf({ at, stats }: Way): Shebang | null {
    if (stats === undefined || !stats.isFile() || (stats.mode & 0o111) === 0) return null;
    const head = readHead(this.walk.here(at));
    return head === null ? null : parseShebang(head);
  }
}

function isEnv(path: string): boolean {
  return path.endsWith("/env");
}

/**
 * The program that env(1) executes for its one argument on a first line: the argument, or NAME in `-S NAME arguments`, where
 * assignments may precede NAME. "" when env executes the script itself. undefined when the program is unknown: this does not follow
 * other options, quotes and variables.
 */
function envCommand(argument: string): string | undefined {
  const [, split] = /^(?:-S|--split-string=)(.*)$/s.exec(argument) ?? [];
  if (split === undefined) return argument.startsWith("-") ? undefined : argument.includes("=") ? "" : argument;
  if (/["'\\$#]/.test(split)) return undefined;
  const words = split.split(/[ \t\r\v\f]+/).filter((word) => word !== "");
  const command = words.find((word) => !word.includes("="));
  const isPlain = command?.startsWith("-") !== true && !words.some((word) => /^(-.*|PATH)=/.test(word));
  return isPlain ? (command ?? "") : undefined;
}
