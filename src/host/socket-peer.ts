import type { Libc } from "./native.js";

/** The same on x86, ARM and RISC-V. */
const solSocket = 1;
const soPeercred = 17;
/** struct ucred: pid, uid, gid. */
const ucredBytes = 12;

/**
 * The process at the other end of a unix socket, by SO_PEERCRED: of a socket that we connected, the one that listened
 * when we did. undefined when it is not in our pid namespace, or the descriptor is no unix socket.
 */
export function peerPid(libc: Libc, descriptor: number): number | undefined {
  const credentials = new Int32Array(ucredBytes / 4);
  const size = Int32Array.of(ucredBytes);
  if (libc.getsockopt(descriptor, solSocket, soPeercred, credentials, size) < 0) return undefined;
  const pid = credentials[0] ?? 0;
  return pid > 0 ? pid : undefined;
}

/** The descriptor of a net.Socket, which Node keeps to itself; undefined when it has none (any more). */
export function descriptorOf(socket: object): number | undefined {
  // compat: Node 20 to 24 have it as socket._handle.fd.
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  const descriptor: unknown = Reflect.get(handle, "fd");
  return typeof descriptor === "number" && descriptor >= 0 ? descriptor : undefined;
}
