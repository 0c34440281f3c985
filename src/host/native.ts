import { closeSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { getAsset, isSea } from "node:sea";
import { fileURLToPath } from "node:url";
import { attempt } from "../base/errors.js";

export interface Native {
  readonly koffi: Koffi;
  readonly libc: Libc;
}

/** @throws Error without a library for this machine, with an old C library, a kernel before 5.3, or seccomp against pidfds */
export function openNative(load: () => Koffi = loadKoffi): Native {
  // Where numbers and layouts of the C library are as they stand here.
  if (process.platform !== "linux" || !["x64", "arm64", "riscv64"].includes(process.arch)) {
    throw new Error(`not for ${process.platform} on ${process.arch}`);
  }
  const koffi = load();
  const libc = openLibc(koffi);
  const pidfd = libc.pidfdOpen(process.pid);
  if (pidfd < 0) throw new NativeError("pidfd_open", libc.lastError());
  closeSync(pidfd);
  return { koffi, libc };
}

/** A variable that is left uninitialised in C is a zeroed Buffer here, larger than any libc's type. */
export const sizes = { spawnAttributes: 512, fileActions: 256, signalSet: 128 } as const;

type Argument = number | string | null | NodeJS.ArrayBufferView | readonly (string | null)[];

/** The functions of the C library that Node has no way to, as C declares them; errors are return values. */
export type Libc = ReturnType<typeof openLibc>;

const posixSpawn =
  "int posix_spawn(void *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)";

/** Binds the C library that Node itself runs with. @throws Error when it lacks a function: glibc before 2.29, musl before 1.1.24 */
function openLibc(koffi: Koffi) {
  const library = koffi.load(null);
  const bind = (declaration: string) => {
    const native = library.func(declaration);
    // Everything that we call gives an int, or a long that is small.
    return (...args: readonly Argument[]) => Number(native(...args));
  };
  const spawn = library.func(posixSpawn);
  const syscall = bind("long syscall(long number, long pid, long flags)");
  return {
    pipe2: bind("int pipe2(void *descriptors, int flags)"),
    read: bind("int64_t read(int descriptor, void *buffer, size_t size)"),
    fcntl: bind("int fcntl(int descriptor, int command, int argument)"),
    epollCreate: bind("int epoll_create1(int flags)"),
    epollControl: bind("int epoll_ctl(int epoll, int operation, int descriptor, void *event)"),
    epollWait: bind("int epoll_wait(int epoll, void *events, int size, int timeout)"),
    poll: bind("int poll(void *descriptors, unsigned long count, int timeout)"),
    waitpid: bind("int waitpid(int pid, void *status, int options)"),
    kill: bind("int kill(int pid, int signal)"),
    prlimit: bind("int prlimit(int pid, int resource, void *wanted, void *old)"),
    spawn: bind(posixSpawn),
    /** In a thread of libuv's pool; what it is given has to stay until it answers. */
    spawnOnPool: (...args: readonly Argument[]) =>
      new Promise<number>((resolve, reject) => {
        spawn.async(...args, (error, errno) => (error === null ? resolve(Number(errno)) : reject(error)));
      }),
    initAttributes: bind("int posix_spawnattr_init(void *attributes)"),
    setAttributeFlags: bind("int posix_spawnattr_setflags(void *attributes, short flags)"),
    setDefaultSignals: bind("int posix_spawnattr_setsigdefault(void *attributes, void *set)"),
    setSignalMask: bind("int posix_spawnattr_setsigmask(void *attributes, void *set)"),
    initActions: bind("int posix_spawn_file_actions_init(void *actions)"),
    destroyActions: bind("int posix_spawn_file_actions_destroy(void *actions)"),
    addDup2: bind("int posix_spawn_file_actions_adddup2(void *actions, int from, int to)"),
    addChdir: bind("int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)"),
    /** glibc from 2.34 on; musl has none. */
    addCloseFrom: attempt(() => bind("int posix_spawn_file_actions_addclosefrom_np(void *actions, int from)")),
    /** A descriptor that gets readable when the process ends; -1 on an error. 434 on every architecture. */
    pidfdOpen: (pid: number) => syscall(434, pid, 0),
    /** The system's name for what went wrong in the call before, such as `EAGAIN`. */
    lastError: () => errnoName(koffi.errno()),
  };
}

export class NativeError extends Error {
  constructor(
    call: string,
    readonly code: string,
  ) {
    super(`${call}: ${code}`);
  }
}

/** Such as `ENOENT` for 2; `E<number>` for what Node does not know. */
export function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? `E${errno}`;
}

/** Node's names; of two for one number (EAGAIN, EWOULDBLOCK) the one that comes first, as errno(3) has it. */
const errnoNames = new Map(
  Object.entries(constants.errno)
    .reverse()
    .map(([name, number]) => [number, name] as const),
);

/** A descriptor that the event loop watches. After `close` it must not be touched: koffi does not check. */
export interface PollHandle {
  ref(): void;
  unref(): void;
  close(): void;
}

interface NativeFunction {
  (...args: readonly unknown[]): unknown;
  async(...args: readonly [...unknown[], (error: Error | null, result: unknown) => void]): void;
}

/** The part of koffi, the FFI library, that we use. */
export interface Koffi {
  load(path: null): { func(declaration: string): NativeFunction };
  errno(): number;
  readonly node: {
    /** compat: koffi calls back outside of Node's callback scope: promises that it settles are not acted upon by it. */
    poll(descriptor: number, events: { readonly readable: boolean }, onReady: () => void): PollHandle;
  };
}

/** koffi's native file: the single executable's, beside the bundle, or npm's. @throws Error without one for this machine */
export function loadKoffi(base: string = import.meta.url): Koffi {
  const require = createRequire(base);
  const beside = fileURLToPath(new URL("./koffi.node", base));
  return isSea() ? loadEmbedded(require) : require(existsSync(beside) ? beside : "koffi");
}

/** From the single executable, through a file that only we can get at: the system loads libraries from files alone. */
function loadEmbedded(require: NodeJS.Require): Koffi {
  const bytes = new Uint8Array(getAsset("koffi.node"));
  let reason: unknown;
  // Any of these can be mounted noexec or read-only.
  for (const place of [tmpdir(), "/var/lib/nri-v01-bridge", "/dev/shm"]) {
    let folder: string | undefined; // Of mode 0700.
    try {
      folder = mkdtempSync(join(place, "nri-v01-bridge-native-"));
      const file = join(folder, "koffi.node");
      writeFileSync(file, bytes, { mode: 0o500 });
      return require(file);
    } catch (error) {
      reason = error;
    } finally {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }
  }
  throw reason;
}
