import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, openSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { RegisteredPlugin } from "./accept.js";
import { formatConf } from "./built-bridge.js";
import { ContainerLife } from "./container-life.js";
import type { Containers } from "./containers.js";
import type { Candidate } from "./measure.js";
import type { Place } from "./place.js";

/** Why the peer is not measured, in words. */
export const noAdapter = "NRI_BENCH_GO_ADAPTER names no v010-adapter, or no root";

/** containerd's own adapter, where the environment names one that somebody has built, and root can give it its paths. */
export function findGoAdapter(): string | undefined {
  const { NRI_BENCH_GO_ADAPTER: named } = process.env;
  return named && process.geteuid?.() === 0 ? resolve(named) : undefined;
}

/**
 * The v0.1 client that is in the adapter knows one conf.json and one plugin directory, whose paths cannot be set. Here they
 * are links in a mount namespace of its own, over which /etc and /opt are laid; the shell becomes the adapter.
 */
const withItsPaths = `
set -e
mount -t tmpfs nri-bench "$1"
for name in etc opt; do
  mkdir -p "$1/$name" "$1/work-$name"
  mount -t overlay overlay -o "lowerdir=/$name,upperdir=$1/$name,workdir=$1/work-$name" "/$name"
done
rm -rf /etc/nri /opt/nri
mkdir -p /etc/nri /opt/nri
ln -s "$2" /etc/nri/conf.json
ln -s "$3" /opt/nri/bin
shift 3
exec "$@"
`;

/** Starts the adapter as containerd's documentation does; it registers before it looks for conf.json or a plugin. */
export function startBareAdapter(adapter: string, socketPath: string): ChildProcess {
  return spawn(adapter, adapterFlags(socketPath), { stdio: "ignore", env: { PATH: "/usr/bin:/bin" } });
}

/** The Go adapter with these plugins in its conf.json: where it will connect to, and how it is started. */
export function prepareGoAdapter(adapter: string, place: Place, name: string, plugins: readonly string[]) {
  const home = join(place.directory, name);
  mkdirSync(join(home, "layers"), { recursive: true });
  const [confFile, socketPath, log] = [join(home, "conf.json"), join(home, "nri.sock"), join(home, "log")];
  writeFileSync(confFile, formatConf(plugins));
  const paths = [join(home, "layers"), confFile, place.binDir];
  const command = ["sh", "-c", withItsPaths, "sh", ...paths, adapter, ...adapterFlags(socketPath)];
  const start = () =>
    spawn("unshare", ["--mount", "--propagation", "private", ...command], {
      stdio: ["ignore", "ignore", openSync(log, "a")],
      env: { PATH: "/usr/bin:/bin" },
    });
  return { socketPath, log, start };
}

/** The same, registered with the runtime that we are. */
export function startGoAdapter(adapter: string, place: Place, name: string, plugins: readonly string[]) {
  const { socketPath, log, start } = prepareGoAdapter(adapter, place, name, plugins);
  return RegisteredPlugin.accept(socketPath, place.driver, log, start);
}

/** Adapters as candidates beside the bridges; none where there is no adapter. Each name has these plugins in its conf.json. */
export async function openPeers(
  place: Place,
  containers: Containers,
  plugins: Readonly<Record<string, readonly string[]>>,
) {
  const found = findGoAdapter();
  const adapters: RegisteredPlugin[] = [];
  const candidates: Candidate[] = [];
  for (const [name, types] of Object.entries(found === undefined ? {} : plugins)) {
    const adapter = await startGoAdapter(found ?? "", place, name.replaceAll(/\W+/g, "-"), types);
    adapters.push(adapter);
    candidates.push(new ContainerLife(name, adapter, containers));
  }
  return { adapters, candidates };
}

function adapterFlags(socketPath: string): string[] {
  return ["-idx", "10", "-socket", socketPath];
}
