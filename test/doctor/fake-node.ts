import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { Privilege } from "../../src/cgroup/privilege.js";
import type { PartialConfig } from "../../src/config/schema.js";
import { digestOf, type Status } from "../../src/observe/status.js";
import { collectFacts, type Facts, type SelfFacts } from "../../src/tools/doctor/facts.js";
import type { Finding } from "../../src/tools/doctor/finding.js";
import { findAll } from "../../src/tools/doctor/report.js";
import { statLine } from "../host/fake-proc.js";
import { makeFolder } from "../support/places.js";

const rootMount = "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw";
const v1Mount = "20 0:30 / /sys/fs/cgroup/cpu rw,nosuid,noexec - cgroup cgroup rw,cpu,cpuacct";

export const cgroupV1 = `${rootMount}\n30 ${v1Mount}\n`;
export const cgroupV2 = `${rootMount}\n30 20 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec - cgroup2 cgroup2 rw\n`;

export interface FindOptions {
  readonly migrate?: boolean;
  readonly flags?: PartialConfig;
  readonly config?: string;
  readonly self?: Partial<SelfFacts>;
  readonly capture?: Privilege;
}

export const bridgePid = 300;
export const launchedFile = "/opt/nri/plugins/10-v01-bridge";
const elfHead = "\x7fELF";
const past = "2026-01-02T03:04:05.678Z";

const registered: Status = {
  ...{ version: "1.0.0", pid: bridgePid, mode: "external", plugin: "10-v01-bridge", registered: past, lastEvent: past },
  ...{ runtime: { name: "containerd", version: "1.7.24" }, socket: "/var/run/nri/nri.sock", starts: [past] },
  ...{ configuration: { file: null, digest: digestOf({}) }, lastFailure: null, end: null },
};

/** What a program of a fake node prints. It is read and not started: every look at a node would start it. */
function printedBy(file: string): string {
  return /^#!\/bin\/sh\necho '(.*)'\n$/.exec(readFileSync(file, "utf8"))?.[1] ?? "";
}

/** A node made of files in a temporary directory: its /proc too. Nothing of this machine is in it. */
export class FakeNode {
  readonly root = makeFolder();

  /** Where a path is, in a directory that is there. */
  private place(path: string): string {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    return file;
  }

  write(path: string, text: string | Uint8Array, mode = 0o644): this {
    const file = this.place(path);
    writeFileSync(file, text);
    chmodSync(file, mode);
    return this;
  }

  link(path: string, target: string): this {
    const file = this.place(path);
    rmSync(file, { recursive: true, force: true });
    symlinkSync(target, file);
    return this;
  }

  remove(path: string): this {
    rmSync(join(this.root, path), { recursive: true, force: true });
    return this;
  }

  move(from: string, to: string): this {
    renameSync(join(this.root, from), this.place(to));
    return this;
  }

  chmod(path: string, mode: number): this {
    chmodSync(join(this.root, path), mode);
    return this;
  }

  /** A program that says that it is this version when it is asked. */
  program(path: string, says: string): this {
    return this.write(path, `#!/bin/sh\necho '${says}'\n`, 0o755);
  }

  process(pid: number, exe: string, args: readonly string[] = [], environment: readonly string[] = []): this {
    const name = exe.slice(exe.lastIndexOf("/") + 1);
    this.write(`/proc/${pid}/comm`, `${name}\n`);
    this.write(`/proc/${pid}/cmdline`, `${[exe, ...args].join("\0")}\0`);
    this.state(pid, "S", "do_epoll_wait");
    this.write(`/proc/${pid}/environ`, environment.map((entry) => `${entry}\0`).join(""));
    return this.link(`/proc/${pid}/exe`, exe).link(`/proc/${pid}/root`, this.root);
  }

  /** The bridge that containerd launched, in the place of the one that runs as a service. */
  launched(status: Partial<Status> = {}): this {
    return this.write(launchedFile, elfHead, 0o755)
      .process(bridgePid, launchedFile)
      .status({ mode: "launched", socket: null, ...status });
  }

  /** What a runtime that is gone left in the place of its socket. */
  async leaveSocket(path = "/run/nri/nri.sock"): Promise<this> {
    const server = createServer();
    await new Promise<void>((ready) => server.listen(this.place("/run/left.sock"), ready));
    this.remove(path).move("/run/left.sock", path);
    server.close();
    return this;
  }

  /** @param wchan the function of the kernel that it waits in */
  state(pid: number, state: string, wchan: string): this {
    return this.write(`/proc/${pid}/stat`, statLine(pid, "node", state, 1, "100")).write(`/proc/${pid}/wchan`, wchan);
  }

  /** The bridge that runs as a service, and what it says of itself. */
  bridge(status: Partial<Status> = {}, args: readonly string[] = []): this {
    const unit = "0::/system.slice/nri-v01-bridge.service\n";
    return this.process(bridgePid, "/usr/bin/node", ["/usr/local/bin/nri-v01-bridge", "run", ...args])
      .write(`/proc/${bridgePid}/cgroup`, unit)
      .status(status);
  }

  status(status: Partial<Status>): this {
    const text = JSON.stringify({ ...registered, ...status });
    return this.write("/var/lib/nri-v01-bridge/status.json", text, 0o600).chmod("/var/lib/nri-v01-bridge", 0o700);
  }

  /** The runtime's socket, and the table in which the kernel lists it. */
  async listen(path = "/run/nri/nri.sock"): Promise<this> {
    const file = this.place(path);
    rmSync(file, { force: true });
    const server = createServer();
    onTestFinished(() => void server.close());
    await new Promise<void>((ready) => server.listen(file, ready));
    return this.write(
      "/proc/self/net/unix",
      `Num RefCount Protocol Flags Type St Inode Path\n0000: 00000002 00000000 00010000 0001 01 777 ${path}\n`,
    );
  }

  async facts({ flags = {}, config, self = {}, capture = { ok: true } }: FindOptions = {}): Promise<Facts> {
    if (config !== undefined) this.write("/etc/bridge.yaml", config);
    const file = join(this.root, "/etc/bridge.yaml");
    return collectFacts({
      root: this.root,
      flags,
      given: existsSync(file) ? file : undefined,
      path: "/usr/bin:/bin",
      self: { nodeVersion: "20.19.0", arch: "x64", uid: 0, ...self },
      checkCapture: async () => capture,
      askVersion: printedBy,
      lookEachMs: 1,
    });
  }

  async find(options: FindOptions = {}): Promise<readonly Finding[]> {
    return findAll(await this.facts(options), options.migrate === true ? "migrate" : "doctor");
  }

  async ids(options: FindOptions = {}): Promise<readonly string[]> {
    return (await this.find(options)).map(({ id }) => id);
  }

  /** Runs the command of a finding, up to its comment, on this node's files. */
  apply({ fix }: Finding): void {
    const command = fix
      .replace(/ # .*$/s, "")
      .replaceAll(/(?<=[\s']|^)\/(?=(etc|opt|usr|var|run)\b)/g, `${this.root}/`);
    execFileSync("/bin/sh", ["-ec", command], { stdio: "pipe" });
  }
}

/** The plugins that are required, below NRI's section: older runtimes pass over it. */
export const requiringToml = `[plugins."io.containerd.nri.v1.nri".default_validator]
  enable = true
  required_plugins = ["v01-bridge"]
  tolerate_missing_plugins_annotation = "tolerate-missing-plugins.nri-v01-bridge"
`;

/** The same of CRI-O. */
export const requiringCrio = requiringToml
  .replace(/^.*$/m, "[crio.nri.default_validator]")
  .replace("enable", "nri_enable_default_validator")
  .replace("required", "nri_validator_required")
  .replace("  tolerate", "  nri_validator_tolerate");

/** containerd 1.7 with NRI switched on, one plugin, nothing to complain about. */
export async function healthyNode(): Promise<FakeNode> {
  const node = new FakeNode();
  runContainerd(node, "1.7.24");
  node
    .write(
      "/etc/containerd/config.toml",
      `version = 2\n\n[plugins."io.containerd.nri.v1.nri"]\n  disable = false\n${requiringToml}`,
    )
    .write("/proc/self/mountinfo", cgroupV1)
    .write("/etc/nri/conf.json", '{"version": "0.1", "plugins": [{"type": "labels"}]}\n')
    .write("/opt/nri/bin/labels", '#!/bin/sh\necho "{}"\n', 0o755)
    .program("/bin/sh", "")
    .program("/usr/bin/env", "")
    .write("/var/lib/.keep", "")
    .write("/usr/local/bin/.keep", "")
    .link("/var/run", "/run")
    .bridge();
  return node.listen();
}

export function runContainerd(node: FakeNode, version: string, environment: readonly string[] = []): FakeNode {
  return node
    .program("/usr/bin/containerd", `containerd github.com/containerd/containerd ${version} 0123abc`)
    .process(100, "/usr/bin/containerd", [], ["PATH=/usr/bin:/bin", ...environment]);
}

/** CRI-O in the place of containerd. */
export function runCrio(
  node: FakeNode,
  version: string,
  args: readonly string[] = [],
  environment: readonly string[] = [],
): FakeNode {
  return node
    .remove("/proc/100")
    .remove("/usr/bin/containerd")
    .remove("/etc/containerd")
    .write("/etc/crio/crio.conf.d/90-required.conf", requiringCrio)
    .program("/usr/bin/crio", `crio version ${version}`)
    .process(100, "/usr/bin/crio", args, ["PATH=/usr/bin:/bin", ...environment]);
}

/** A runtime whose root is another: it reads no conf.json of ours. */
export function ownRoot(node: FakeNode): FakeNode {
  return node.write("/elsewhere/.keep", "").link("/proc/100/root", join(node.root, "elsewhere"));
}
