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

/**
 * Loads koffi and binds the C library, and checks that pidfds work.
 * @throws Error when koffi has no library for this machine, the C library is too old (see openLibc), the kernel is
 *   older than 5.3, or a seccomp profile forbids pidfd_open
 */
export function openNative(load: () => Koffi = loadKoffi): Native {
  // The constants and struct layouts in this file hold for these architectures only.
  if (process.platform !== "linux" || !["x64", "arm64", "riscv64"].includes(process.arch)) {
    throw new Error(`calls of libc are not possible on ${process.platform} ${process.arch}`);
  }
  const koffi = load();
  const libc = openLibc(koffi);
  const pidfd = libc.pidfdOpen(process.pid);
  if (pidfd < 0) throw new NativeError("pidfd_open", libc.lastError());
  closeSync(pidfd);
  return { koffi, libc };
}

/** Sizes of the zeroed Buffers that stand for C variables, in bytes; larger than the type is in any C library. */
export const sizes = { spawnAttributes: 512, fileActions: 256, signalSet: 128 } as const;

type Argument = number | string | null | NodeJS.ArrayBufferView | readonly (string | null)[];

/** Functions of the C library that Node does not offer, with C's arguments. They return errors, and do not throw them. */
export type Libc = ReturnType<typeof openLibc>;

const posixSpawn =
  "int posix_spawn(void *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)";

/**
 * Binds functions of the C library that the Node process has loaded.
 * @throws Error when the C library lacks one of them: glibc before 2.29, musl before 1.1.24
 */
function openLibc(koffi: Koffi) {
  const library = koffi.load(null);
  const bind = (declaration: string) => {
    const native = library.func(declaration);
    // Every function that is bound here returns an int, or a long with a small value.
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
    /** posix_spawn in a thread of libuv's pool. The caller must keep the arguments alive until the promise settles. */
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
    /** Undefined with musl, and with glibc before 2.34. */
    addCloseFrom: attempt(() => bind("int posix_spawn_file_actions_addclosefrom_np(void *actions, int from)")),
    /**
     * pidfd_open(2), whose number is 434 on every architecture: a descriptor that becomes readable when the process ends; -1 on an
     * error.
     */
    pidfdOpen: (pid: number) => syscall(434, pid, 0),
    /** The name of the errno that the last call set, such as `EAGAIN`. */
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

/** The name of an errno, such as `ENOENT` for 2; `E<number>` for an errno that Node does not know. */
export function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? `E${errno}`;
}

/** Node's names by number. Of two names for one number (EAGAIN, EWOULDBLOCK) the first counts, as in errno(3). */
const errnoNames = new Map(
  Object.entries(constants.errno)
    .reverse()
    .map(([name, number]) => [number, name] as const),
);

/** A watch of a descriptor by Node's event loop. Call no method after `close`: koffi does not check for this. */
export interface PollHandle {
  ref(): void;
  unref(): void;
  close(): void;
}

interface NativeFunction {
  (...args: readonly unknown[]): unknown;
  async(...args: readonly [...unknown[], (error: Error | null, result: unknown) => void]): void;
}

/** The part of koffi, the FFI library, that the bridge uses. */
export interface Koffi {
  load(path: null): { func(declaration: string): NativeFunction };
  errno(): number;
  readonly node: {
    /** compat: koffi calls `onReady` outside of Node's callback scope: promises settled in `onReady` do not continue then. */
    poll(descriptor: number, events: { readonly readable: boolean }, onReady: () => void): PollHandle;
  };
}

/**
 * Loads koffi's native file: from the single executable, else from the bundle's directory, else from the npm package.
 * @throws Error when none of them has a file for this machine
 */
export function loadKoffi(base: string = import.meta.url): Koffi {
  const require = createRequire(base);
  const beside = fileURLToPath(new URL("./koffi.node", base));
  return isSea() ? loadEmbedded(require) : require(existsSync(beside) ? beside : "koffi");
}

/**
 * Loads the native file in the single executable. Because the system loads libraries only from files, it is first written to a
 * temporary file that only the bridge's user can reach.
 */
function loadEmbedded(require: NodeJS.Require): Koffi {
  const bytes = new Uint8Array(getAsset("koffi.node"));
  let reason: unknown;
  // There are three places, because each can be mounted noexec or read-only.
  for (const place of [tmpdir(), "/var/lib/nri-v01-bridge", "/dev/shm"]) {
    let folder: string | undefined; // mkdtemp makes the directory with mode 0700.
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
