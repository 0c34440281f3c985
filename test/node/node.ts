import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { root } from "../deploy/support.js";
import { type CommandResult, waitFor } from "../e2e/testbed/command.js";
import { Cri } from "../e2e/testbed/cri.js";
import { type ContainerOptions, containerConfig, type PodSandboxConfig, podConfig } from "../e2e/testbed/cri-config.js";

/** The suite of Debian that the node has. */
export const suite = "forky";
const port = 2222;
/** Emulated, and on a machine that may have more to do: no wait for the node is short. */
export const patienceMs = 600_000;

/** The Debian node that QEMU emulates, driven by ssh. KVM is not asked for: a machine for tests seldom has it. */
export class Node {
  readonly #directory: string;
  readonly #pods = new Map<string, PodSandboxConfig>();
  #cri: Cri | undefined;

  /** @param directory with what image.sh made */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Starts the emulator; what the node writes to its disk is gone with it. */
  boot(): ChildProcess {
    const file = (name: string) => join(this.#directory, name);
    const args = [
      ..."-name node -accel tcg,thread=multi,tb-size=512 -cpu max -smp 2 -m 3072 -display none -nodefaults".split(" "),
      ...["-kernel", file(`${suite}.vmlinuz`), "-initrd", file(`${suite}.initrd`)],
      // The emulated HPET stops when the emulator itself is stopped for a while (seen with QEMU 7.2): the CPU's own clock does not.
      ...["-machine", "pc,hpet=off"],
      ...["-append", "root=/dev/vda rw console=ttyS0 mitigations=off tsc=reliable nowatchdog panic=5"],
      ...["-drive", `file=${file(`${suite}.img`)},if=virtio,format=raw,cache=unsafe,snapshot=on`],
      ...["-netdev", `user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`, "-device", "virtio-net-pci,netdev=n"],
      ...["-device", "virtio-rng-pci", "-serial", `file:${file("console")}`],
    ];
    const output = openSync(file("qemu.log"), "w");
    // It ends with the tests, in whatever way they end.
    const command = ["--pdeathsig", "KILL", "nice", "qemu-system-x86_64", ...args];
    return spawn("setpriv", command, { stdio: ["ignore", output, output] });
  }

  /** Waits until the node has booted: another boot than `not`, where that is given. Gives this boot's id. */
  async waitForBoot(not?: string): Promise<string> {
    const id = await waitFor("the node's boot", patienceMs, async () => {
      await this.#ssh(["-O", "exit"]);
      const { code, stdout } = await this.try("cat /proc/sys/kernel/random/boot_id");
      if (code === 0 && stdout !== not) return stdout;
      await sleep(1000);
      return undefined;
    });
    await this.run("systemctl is-system-running --wait || systemctl --failed >&2");
    return id;
  }

  /** @param command what ends the system */
  async reboot(command: string): Promise<void> {
    const before = await this.run("cat /proc/sys/kernel/random/boot_id");
    void this.try(command);
    await this.waitForBoot(before);
  }

  /** Runs a shell's command in the node. */
  try(command: string, input?: Uint8Array): Promise<CommandResult> {
    return this.#ssh(["root@node", command], input);
  }

  /** The same, which has to succeed: what it printed, without the last newline. */
  async run(command: string, input?: Uint8Array): Promise<string> {
    const { code, stdout, stderr } = await this.try(command, input);
    if (code !== 0) throw new Error(`${command}: exit ${code}: ${stderr || stdout}`);
    return stdout.trimEnd();
  }

  /** Waits until a command succeeds; asked in the node, each second. */
  async until(command: string): Promise<void> {
    await this.run(
      `timeout ${patienceMs / 1000} sh -c 'until eval "$1"; do sleep 1; done' - ${quote(command)} >/dev/null 2>&1`,
    );
  }

  async write(path: string, text: string, mode = "644"): Promise<void> {
    await this.run(`mkdir -p $(dirname ${path}) && cat >${path} && chmod ${mode} ${path}`, Buffer.from(text));
  }

  /** Copies files of the repository, by their paths there, to a directory of the node. */
  async put(directory: string, ...paths: readonly string[]): Promise<void> {
    const tar = await execa("tar", ["-C", root, "--owner=0", "--group=0", "-cf", "-", ...paths], {
      encoding: "buffer",
    });
    await this.run(`mkdir -p ${directory} && tar -C ${directory} -xf -`, tar.stdout);
  }

  /** containerd's CRI, through ssh. */
  get cri(): Cri {
    this.#cri ??= new Cri(join(this.#directory, "cri.sock"), patienceMs);
    return this.#cri;
  }

  /** Starts a pod sandbox in the cgroup that the kubelet would have made for it. */
  async runPod(annotations: Readonly<Record<string, string>> = {}): Promise<string> {
    const cgroupParent = (uid: string) =>
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uid.replaceAll("-", "_")}.slice`;
    const config = podConfig({ number: this.#pods.size, annotations, cgroupParent }, randomUUID(), "/var/log/pods");
    const id = await this.cri.runPodSandbox(config);
    this.#pods.set(id, config);
    return id;
  }

  /** Creates a container, with the pod's annotations, and starts it. */
  async runContainer(pod: string, options: ContainerOptions = {}): Promise<string> {
    const config = this.#pods.get(pod);
    if (config === undefined) throw new Error(`no pod ${pod}`);
    const id = await this.cri.createContainer(pod, containerConfig(options, config), config);
    await this.cri.startContainer(id);
    return id;
  }

  async removeAllPods(): Promise<void> {
    for (const id of await this.cri.listContainers()) await this.cri.removeContainer(id);
    for (const id of await this.cri.listPodSandboxes()) {
      await this.cri.stopPodSandbox(id);
      await this.cri.removePodSandbox(id);
    }
  }

  async #ssh(args: readonly string[], input: Uint8Array = new Uint8Array()): Promise<CommandResult> {
    const file = (name: string) => join(this.#directory, name);
    const options = {
      ...{ Port: port, HostName: "127.0.0.1", User: "root", IdentityFile: file("id"), LogLevel: "ERROR" },
      ...{ StrictHostKeyChecking: "no", UserKnownHostsFile: "/dev/null", ConnectTimeout: 60 },
      ...{ ControlMaster: "auto", ControlPath: file("ssh"), ControlPersist: 3600 },
      ...{ LocalForward: `${file("cri.sock")} /run/containerd/containerd.sock`, StreamLocalBindUnlink: "yes" },
    };
    const all = [...Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`]), ...args];
    const result = await execa("ssh", all, { reject: false, input, timeout: 2 * patienceMs });
    return { code: result.exitCode, stdout: result.stdout, stderr: result.stderr };
  }

  static isMadeIn(directory: string): boolean {
    return existsSync(join(directory, `${suite}.img`));
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
