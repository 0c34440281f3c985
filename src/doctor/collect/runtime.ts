import { sharesConfFile } from "../../host/shared-file.js";
import { parseVersion } from "../../nri/versions.js";
import type { RuntimeFacts } from "../facts.js";
import type { NodeFiles } from "../node-files.js";
import { readContainerdConfig } from "./containerd-config.js";
import { readCrioConfig } from "./crio-config.js";
import { flagOf, type ProcessFacts, variableOf } from "./processes.js";

/** Runs `<here> --version`, the node's `path`, and gives what it printed; "" when it cannot be run. */
export type AskVersion = (here: string, files: NodeFiles, path: string) => string;

interface Known {
  readonly name: RuntimeFacts["name"];
  readonly command: string;
  /** What `--version` prints: `containerd github.com/containerd/containerd/v2 v2.1.9 <commit>`, `crio version 1.34.1`. */
  readonly version: RegExp;
}

const known: readonly Known[] = [
  { name: "containerd", command: "containerd", version: /^containerd \S+ (\S+)/m },
  { name: "cri-o", command: "crio", version: /^crio version (\S+)/m },
];

const binDirs = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/opt/bin", "/bin"] as const;

export interface RuntimeSearch {
  readonly files: NodeFiles;
  readonly processes: readonly ProcessFacts[];
  /** The process that listens on the NRI socket, where that is known. */
  readonly peer: number | undefined;
  readonly confFile: string;
  readonly askVersion: AskVersion;
}

/** Finds the node's runtime: the process at the socket, else one that runs, else one on the disk. */
export function findRuntime(search: RuntimeSearch): RuntimeFacts | undefined {
  const { files, processes, peer } = search;
  // Only root's processes: --version is going to be asked of this very file.
  const running = processes.flatMap((process) => {
    const kind = known.find(({ command }) => process.command === command || baseName(process.exe) === command);
    return kind === undefined || (process.uid !== 0 && process.uid !== globalThis.process.geteuid?.())
      ? []
      : [{ kind, process }];
  });
  // A node may hold containers with runtimes of their own: theirs is another root.
  const ours = running.find(
    ({ process }) => files.identityByKernel(`/proc/${process.pid}/root`) === files.identity("/"),
  );
  const chosen = running.find(({ process }) => process.pid === peer) ?? ours ?? running[0];
  if (chosen !== undefined) return describe(search, chosen.kind, chosen.process, chosen.process.exe);
  for (const kind of known) {
    const path = binDirs.map((directory) => `${directory}/${kind.command}`).find((file) => files.isExecutable(file));
    if (path !== undefined) return describe(search, kind, undefined, path);
  }
  return undefined;
}

function describe(search: RuntimeSearch, kind: Known, process: ProcessFacts | undefined, path: string): RuntimeFacts {
  const { files, confFile, askVersion } = search;
  const versionOf = (here: string) => kind.version.exec(askVersion(here, files, path))?.[1] ?? "";
  const diskVersion = files.isExecutable(path) ? versionOf(files.locate(path)) : "";
  // The running file may be gone from the disk since an upgrade; /proc still has it.
  const runningVersion = process?.replaced ? versionOf(`${files.locate("/proc")}/${process.pid}/exe`) : diskVersion;
  const version = runningVersion === "" ? diskVersion : runningVersion;
  const pid = process?.pid;
  const sandboxedCri = pid === undefined ? undefined : variableOf(files, pid, "ENABLE_CRI_SANDBOXES");
  const shares = sharesConfFile(pid, files.locate(confFile), files.locate("/proc"));
  const searchPath = pid === undefined ? undefined : variableOf(files, pid, "PATH");
  return {
    name: kind.name,
    version,
    diskVersion,
    path,
    pid,
    searchPath: searchPath === "" ? undefined : searchPath,
    sandboxedCri: sandboxedCri === undefined ? undefined : sandboxedCri !== "",
    sharesConfFile: { ...shares, reason: files.rename(shares.reason) },
    config: readConfig(files, kind.name, process?.args ?? [], version),
  };
}

function readConfig(files: NodeFiles, name: RuntimeFacts["name"], args: readonly string[], versionText: string) {
  const version = parseVersion(versionText);
  if (name === "containerd") {
    const path = flagOf(args, "--config", "-c") ?? "/etc/containerd/config.toml";
    return readContainerdConfig(files, path, version);
  }
  const path = flagOf(args, "--config", "-c") ?? "/etc/crio/crio.conf";
  const directory = flagOf(args, "--config-dir", "-d") ?? "/etc/crio/crio.conf.d";
  return readCrioConfig(files, path, directory, version);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
