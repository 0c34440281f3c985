import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeFolder } from "../support/places.js";

interface FakeProcess {
  readonly pid: number;
  readonly command?: string;
  readonly state?: string;
  readonly parent?: number;
  readonly startTime?: string;
  readonly cgroup?: string;
  readonly cwd?: string;
  readonly root?: string;
  readonly args?: readonly string[];
  readonly pidNamespace?: string;
}

/** A folder that looks like /proc, for what this machine has not; it goes with the test. */
export class FakeProc {
  readonly root = makeFolder();

  constructor(pidNamespace = "pid:[1]", bootId = "boot-1") {
    this.write("sys/kernel/random/boot_id", `${bootId}\n`);
    this.link("self/ns/pid", pidNamespace);
  }

  add({ pid, command = "pause", state = "S", parent = 1, startTime = "100", ...more }: FakeProcess): void {
    this.write(`${pid}/comm`, `${command}\n`);
    this.write(`${pid}/stat`, statLine(pid, command, state, parent, startTime));
    if (more.cgroup !== undefined) this.write(`${pid}/cgroup`, more.cgroup);
    if (more.cwd !== undefined) this.link(`${pid}/cwd`, more.cwd);
    if (more.root !== undefined) this.link(`${pid}/root`, more.root);
    if (more.args !== undefined) this.write(`${pid}/cmdline`, `${more.args.join("\0")}\0`);
    if (more.pidNamespace !== undefined) this.link(`${pid}/ns/pid`, more.pidNamespace);
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  link(path: string, target: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    symlinkSync(target, join(this.root, path));
  }
}

/** A line of /proc/<pid>/stat with all its 52 fields. */
export function statLine(pid: number, command: string, state: string, parent: number, startTime: string): string {
  const between = Array.from({ length: 17 }, (_, index) => String(index));
  const after = Array.from({ length: 30 }, () => "0");
  return `${[pid, `(${command})`, state, parent, ...between, startTime, ...after].join(" ")}\n`;
}
