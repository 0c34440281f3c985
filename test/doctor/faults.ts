import { execFileSync } from "node:child_process";
import { expect } from "vitest";
import type { Finding } from "../../src/tools/doctor/finding.js";
import type { FakeNode, FindOptions } from "./fake-node.js";

/** A fault of a node that was healthy before. */
export interface Fault {
  /** What makes it. */
  readonly make?: (node: FakeNode) => unknown;
  readonly options?: FindOptions;
  /** What mends it: the command of the finding itself, or what stands for one who follows its words. */
  readonly mend: "its fix" | ((node: FakeNode) => unknown) | { readonly options: FindOptions };
  readonly where?: string;
  /** A part of what it says. */
  readonly says?: string;
  /** A part of its fix. */
  readonly fixSays?: string;
}

/** What it says, besides its id. */
export type Says = Pick<Fault, "where" | "says" | "fixSays">;

/** By the id of the finding that each is to have. */
export type Faults = Readonly<Record<string, readonly Fault[]>>;

export const configToml = "/etc/containerd/config.toml";
export const nriHeader = '[plugins."io.containerd.nri.v1.nri"]';
export const labels = "/opt/nri/bin/labels";
export const confJson = "/etc/nri/conf.json";
export const launched = "/opt/nri/plugins/10-v01-bridge";
export const script = "#!/bin/sh\n";
export const clearcfs = '#!/bin/sh\necho -1 > "/sys/fs/cgroup/cpu/$path/cpu.cfs_quota_us"\n';

/** The text of a conf.json that lists these plugins. */
export function listed(...types: string[]): string {
  return JSON.stringify({ version: "0.1", plugins: types.map((type) => ({ type })) });
}

/** A config.toml with these lines in NRI's section. */
export function nriToml(...lines: string[]): string {
  return ["version = 2", nriHeader, ...lines.map((line) => `  ${line}`), ""].join("\n");
}

/** A 64 bit little-endian ELF header for a machine, with a PT_INTERP header when there is a loader. */
export function elf(machine: number, loader?: string): Uint8Array {
  const bytes = Buffer.alloc(256);
  bytes.write("\x7fELF\x02\x01\x01", "latin1");
  bytes.writeUInt16LE(machine, 18);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  if (loader === undefined) return bytes;
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt32LE(3, 64);
  bytes.writeBigUInt64LE(128n, 72);
  bytes.writeBigUInt64LE(BigInt(loader.length + 1), 96);
  bytes.write(loader, 128, "latin1");
  return bytes;
}

/** A file with a text that is at fault, and the one that mends it. */
export function wrote(path: string, text: string, mended: string, says: Says = {}): Fault {
  return { make: (node) => node.write(path, text), mend: (node) => node.write(path, mended), ...says };
}

/** Commands that write into files, remove or start something: none of them is advice. */
const harmful =
  /(^|[;&|`$(:] ?|\b(then|or|first) )(sed|jq|printf|echo|cat|tee|rm|cp|ln|mkdir|mount -o|kill|time|sh|containerd config default)\b|nri-v01-bridge (run(?! --help)|exec|record|simulate)\b|[^-]>|NAME|PROGRAM|&& systemctl/;

/** Says that whoever follows a fix to the letter makes nothing worse, and that its command is one that a shell takes. */
export function expectHarmless({ fix }: Finding): void {
  expect(fix).not.toMatch(harmful);
  if (/^(chmod|chown|mv|systemctl) /.test(fix)) execFileSync("/bin/sh", ["-nc", fix], { stdio: "pipe" });
}
