import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CommandOptions, mustRun, runCommand } from "./command.js";

/** Debian packages of any suite, without touching what the machine has installed. */
export interface PrivateApt {
  /** The version that a suite would install. */
  candidate(suite: string, name: string): Promise<string>;
  /** Downloads a package's candidate of a suite and unpacks it into a directory. */
  unpack(suite: string, name: string, directory: string): Promise<void>;
}

/** The address and options of the machine's own Debian mirror, or undefined where apt has none. */
export async function findMirror(): Promise<string | undefined> {
  const codename = /^VERSION_CODENAME=(.+)$/m.exec(await readFile("/etc/os-release", "utf8"))?.[1];
  const format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
  const targets = await runCommand("apt-get", ["indextargets", "--format", format, "Identifier: Packages"]);
  for (const line of targets.stdout.split("\n")) {
    const [uri, release, component] = line.split(" ");
    if (uri && release === codename && component === "main") return uri;
  }
  return undefined;
}

/**
 * Opens a private apt directory with one suite's source list per suite: the machine's own mirror, another suite name.
 * Each suite has an apt of its own, so that a version is always that suite's.
 */
export async function openApt(directory: string, mirror: string, suites: readonly string[]): Promise<PrivateApt> {
  const options = new Map<string, CommandOptions>();
  for (const suite of suites) {
    const home = join(directory, suite);
    for (const name of ["lists/partial", "cache/archives/partial"]) await mkdir(join(home, name), { recursive: true });
    await writeFile(join(home, "sources.list"), `deb ${mirror} ${suite} main\n`);
    // The machine's own list of installed packages must not decide what a candidate is.
    await writeFile(join(home, "status"), "");
    await writeFile(
      join(home, "apt.conf"),
      `Dir::Etc::sourcelist "${home}/sources.list"; Dir::Etc::sourceparts "-"; APT::Sandbox::User "root";
Dir::State::lists "${home}/lists"; Dir::State::status "${home}/status"; Dir::Cache "${home}/cache";\n`,
    );
    options.set(suite, { env: { APT_CONFIG: join(home, "apt.conf"), LC_ALL: "C" } });
  }
  await Promise.all([...options.values()].map((option) => mustRun("apt-get", ["-q", "update"], option)));

  const candidate = async (suite: string, name: string) => {
    const policy = await mustRun("apt-cache", ["policy", name], options.get(suite));
    const version = /^ {2}Candidate: (\S+)$/m.exec(policy)?.[1];
    if (version === undefined || version === "(none)") throw new Error(`${suite} has no package ${name}`);
    return version;
  };
  return {
    candidate,
    async unpack(suite, name, target) {
      const download = join(target, `.download-${name}`);
      await mkdir(download, { recursive: true });
      const version = await candidate(suite, name);
      await mustRun("apt-get", ["-q", "download", `${name}=${version}`], { ...options.get(suite), cwd: download });
      for (const file of await readdir(download)) await mustRun("dpkg", ["-x", join(download, file), target]);
      await rm(download, { recursive: true });
    },
  };
}

/** Fills a directory under another name first, so that what stands under its own name is always whole. */
export async function fillOnce(directory: string, fill: (unfinished: string) => Promise<void>): Promise<void> {
  const unfinished = `${directory}.unfinished-${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  await fill(unfinished);
  await rm(directory, { recursive: true, force: true });
  await rename(unfinished, directory);
}
