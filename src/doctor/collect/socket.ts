import type { Mount } from "../../host/mountinfo.js";
import { findPeer } from "../../host/peer.js";
import type { RuntimeFacts, SocketFacts } from "../facts.js";
import type { NodeFiles } from "../node-files.js";

/** The process that listens on the runtime's socket; undefined when that cannot be seen. */
export async function findSocketPeer(files: NodeFiles, socketPath: string): Promise<number | undefined> {
  const answer = await findPeer(files.locate(socketPath), files.locate("/proc")).catch(() => undefined);
  return answer?.found ? answer.pid : undefined;
}

/** Looks at the socket without connecting: a plugin that connects and goes costs the runtime a warning. */
export function readSocket(
  files: NodeFiles,
  path: string,
  mounts: readonly Mount[],
  runtime: RuntimeFacts | undefined,
): SocketFacts {
  const stats = files.stat(path);
  const resolved = files.nameOf(files.locate(path));
  return {
    path,
    kind: stats === undefined ? "missing" : stats.isSocket() ? "socket" : "other",
    writable: files.isWritable(path),
    listening: isListening(files, path),
    mounted: mounts.some(({ point }) => point === path || point === resolved || `/var${point}` === path),
    identity: files.identity(path),
    runtimeIdentity:
      runtime?.pid === undefined ? undefined : identityFor(runtime.pid, runtime.config.nri.socketPath, files),
  };
}

/**
 * The runtime's own socket, seen through its root. The kernel follows an absolute link such as /var/run from our root, not
 * from the process's: so the way without the link is tried first.
 */
function identityFor(pid: number, socketPath: string, files: NodeFiles): string | undefined {
  const identities = [socketPath.replace(/^\/var\/run\//, "/run/"), socketPath].map((path) =>
    files.identityByKernel(`/proc/${pid}/root${path}`),
  );
  return identities.find((identity) => identity !== undefined);
}

/** Whether a socket of this name listens, as the network namespaces in sight tell. */
function isListening(files: NodeFiles, path: string): boolean | undefined {
  const tables = ["/proc/self/net/unix", "/proc/1/net/unix"].flatMap((table) => files.readText(table) ?? []);
  if (tables.length === 0) return undefined;
  const name = path.slice(path.lastIndexOf("/"));
  return tables.some((table) =>
    table.split("\n").some((line) => {
      // Num RefCount Protocol Flags Type St Inode Path; 00010000 is __SO_ACCEPTCON: it listens.
      const fields = line.trim().split(/\s+/);
      return fields[3] === "00010000" && fields[7]?.endsWith(name) === true;
    }),
  );
}
