import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fillOnce, findMirror, openApt, type PrivateApt } from "./apt.js";
import { mustRun, runCommand } from "./command.js";

/** The Debian suite that each container runtime is taken from. Versions move: a suite's candidate is what is tested. */
export const suites = {
  /** containerd 1.6, the last line that runs v0.1 plugins itself: what the bridge is compared with. */
  native: "bookworm",
  /** containerd 1.7: NRI v2 in the StateChange dialect. */
  v17: "trixie",
  /** containerd 2.x: NRI v2, and still v0.1 plugins of its own for sandboxes. */
  v2: "forky",
} as const;

export type RuntimeName = keyof typeof suites;

/** One unpacked container runtime. */
export interface RuntimePackage {
  readonly name: RuntimeName;
  /** As Debian numbers it, without the packaging's part: 1.6.20. */
  readonly version: string;
  /** The directory of containerd, ctr and the shims. */
  readonly binDir: string;
  readonly runc: string;
}

export interface Testbed {
  readonly directory: string;
  readonly runtimes: Readonly<Record<RuntimeName, RuntimePackage>>;
  /** A static busybox: all that the test images hold. */
  readonly busybox: string;
}

/** The testbed, or what is missing on this machine, in words. */
export type TestbedResult =
  | { readonly ok: true; readonly testbed: Testbed }
  | { readonly ok: false; readonly missing: readonly string[] };

/** Where the packages are kept: outside of the repository, and for the next run, too. */
export function testbedDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const cache = env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return env.NRI_TESTBED_DIR || join(cache, "nri-v01-bridge-testbed");
}

/** Finds or unpacks all that the end-to-end tests need. Nothing is installed on the machine itself. */
export async function prepareTestbed(directory = testbedDirectory()): Promise<TestbedResult> {
  const missing = await findObstacles();
  if (missing.length > 0) return { ok: false, missing };
  try {
    if (!isFilled(directory)) await fill(directory);
    const runtimeOf = (name: RuntimeName) => describeRuntime(directory, name);
    const v2 = builtByHand(runtimeOf("v2"));
    const runtimes = { native: runtimeOf("native"), v17: runtimeOf("v17"), v2 };
    const busybox = join(directory, "packages", "tools", "bin/busybox");
    return { ok: true, testbed: { directory, busybox, runtimes } };
  } catch (thrown) {
    return { ok: false, missing: [thrown instanceof Error ? thrown.message : String(thrown)] };
  }
}

async function findObstacles(): Promise<string[]> {
  if (process.platform !== "linux") return ["Linux"];
  if (process.getuid?.() !== 0) return ["root: containers and mount namespaces need it"];
  const found = (command: string) => runCommand("/bin/sh", ["-c", `command -v ${command}`]);
  for (const command of ["apt-get", "dpkg", "unshare", "nsenter", "bash", "tar"]) {
    if ((await found(command)).code !== 0) return [`the command ${command}`];
  }
  const namespace = await runCommand("unshare", ["--mount", "--pid", "--fork", "--mount-proc", "true"]);
  return namespace.code === 0 ? [] : [`mount and pid namespaces: ${namespace.stderr.trim()}`];
}

const packagesOfSuite = ["containerd", "runc", "libc6", "libseccomp2"];
const tools = ["busybox-static", "patchelf"];

function isFilled(directory: string): boolean {
  return ["tools", ...Object.values(suites)].every((part) => existsSync(join(directory, "packages", part)));
}

async function fill(directory: string): Promise<void> {
  const mirror = await findMirror();
  if (mirror === undefined) throw new Error("a Debian mirror among apt's sources");
  const apt = await openApt(join(directory, "apt"), mirror, Object.values(suites));
  const packages = join(directory, "packages");
  await fillOnce(join(packages, "tools"), async (target) => {
    for (const name of tools) await apt.unpack(suites.native, name, target);
  });
  for (const suite of Object.values(suites)) await fillOnce(join(packages, suite), fillSuite(apt, packages, suite));
}

function fillSuite(apt: PrivateApt, packages: string, suite: string): (target: string) => Promise<void> {
  return async (target) => {
    for (const name of packagesOfSuite) await apt.unpack(suite, name, target);
    const candidate = await apt.candidate(suite, "containerd");
    await writeFile(join(target, "version"), /^(?:\d+:)?([\d.]+)/.exec(candidate)?.[1] ?? candidate);
    // A newer suite's runc asks for a newer C library than the machine has; it re-executes itself through
    // /proc/self/exe, so the loader has to be named inside the binary.
    const libraries = await findLibraries(target);
    const loader = (await readdir(libraries)).find((file) => /^ld-linux.*\.so\.\d+$/.test(file));
    if (loader === undefined) throw new Error(`${suite}: no dynamic loader in ${libraries}`);
    const final = libraries.replace(target, join(packages, suite));
    const edits = ["--set-interpreter", join(final, loader), "--set-rpath", final, "--force-rpath"];
    await mustRun(join(packages, "tools/usr/bin/patchelf"), [...edits, join(target, "usr/sbin/runc")]);
  };
}

/** The directory of libc inside an unpacked suite: `lib/<triplet>` or, in newer suites, `usr/lib/<triplet>`. */
async function findLibraries(root: string): Promise<string> {
  for (const lib of [join(root, "usr/lib"), join(root, "lib")]) {
    for (const triplet of await readdir(lib).catch(() => [])) {
      const files: string[] = await readdir(join(lib, triplet)).catch(() => []);
      if (files.includes("libc.so.6")) return join(lib, triplet);
    }
  }
  throw new Error(`no libc.so.6 in ${root}`);
}

function describeRuntime(directory: string, name: RuntimeName): RuntimePackage {
  const root = join(directory, "packages", suites[name]);
  const version = readFileSync(join(root, "version"), "utf8").trim();
  return { name, version, binDir: join(root, "usr/bin"), runc: join(root, "usr/sbin/runc") };
}

/**
 * The 2.x with another containerd in it, where NRI_E2E_CONTAINERD names the directory of one that somebody has built, with its ctr and
 * its shim: Debian's packages end before 2.2.
 */
function builtByHand(runtime: RuntimePackage): RuntimePackage {
  const binDir = process.env.NRI_E2E_CONTAINERD;
  if (!binDir) return runtime;
  const told = execFileSync(join(binDir, "containerd"), ["--version"], { encoding: "utf8" });
  return { ...runtime, version: /\sv?(2\.[\d.]*\d)/.exec(told)?.[1] ?? told.trim(), binDir };
}
