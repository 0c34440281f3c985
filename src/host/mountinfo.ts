/** A mount, as a line of /proc/<pid>/mountinfo has it (proc(5)). */
export interface Mount {
  readonly line: string;
  readonly id: number;
  /** Which directory of the file system is mounted there. */
  readonly root: string;
  /** Where it is mounted. */
  readonly point: string;
  readonly options: readonly string[];
  /** How it propagates: `shared:7`, `master:3`. */
  readonly optional: readonly string[];
  /** The file system's. */
  readonly type: string;
  readonly superOptions: readonly string[];
}

/** Reads the text of /proc/<pid>/mountinfo. What is no line of it is left out. */
export function parseMountinfo(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    // Six fields, optional ones up to a hyphen, then type, source and the file system's options.
    const fields = line.split(" ");
    const hyphen = fields.indexOf("-", 6);
    if (hyphen < 0) return [];
    return {
      line,
      id: Number(fields[0]),
      root: decodePath(fields[3] ?? ""),
      point: decodePath(fields[4] ?? ""),
      options: (fields[5] ?? "").split(","),
      optional: fields.slice(6, hyphen),
      type: fields[hyphen + 1] ?? "",
      superOptions: (fields[hyphen + 3] ?? "").split(","),
    };
  });
}

/** The kernel writes space, tab, newline and backslash in octal. */
function decodePath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
