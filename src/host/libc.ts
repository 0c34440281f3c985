import { constants } from "node:os";

import type { Koffi, NativeFunction } from "./koffi.js";

/** Linux's number on every architecture that Node runs on. */
const sysPidfdOpen = 434;
const sysPidfdOpenArguments = "long number, long pid, long flags";

/** What is left uninitialised in C is a zeroed Buffer here, larger than any libc's type. */
export const sizes = { spawnAttributes: 512, fileActions: 256, signalSet: 128 } as const;

type Call = (
  ...args: readonly (number | string | null | NodeJS.ArrayBufferView | readonly (string | null)[])[]
) => number;

/** The functions of the C library that Node has no way to, as C declares them; errors are return values. */
export type Libc = ReturnType<typeof openLibc>;

/**
 * Binds the C library that Node itself runs with.
 *
 * @throws Error when it lacks a function: glibc before 2.29, musl before 1.1.24
 */
export function openLibc(koffi: Koffi) {
  const library = koffi.load(null);
  const bind = (declaration: string): Call => toCall(library.func(declaration));
  const syscall = bind(`long syscall(${sysPidfdOpenArguments})`);
  return {
    pipe2: bind("int pipe2(void *descriptors, int flags)"),
    read: bind("int64_t read(int descriptor, void *buffer, size_t size)"),
    fcntl: bind("int fcntl(int descriptor, int command, int argument)"),
    epollCreate: bind("int epoll_create1(int flags)"),
    epollControl: bind("int epoll_ctl(int epoll, int operation, int descriptor, void *event)"),
    epollWait: bind("int epoll_wait(int epoll, void *events, int size, int timeout)"),
    waitpid: bind("int waitpid(int pid, void *status, int options)"),
    kill: bind("int kill(int pid, int signal)"),
    prlimit: bind("int prlimit(int pid, int resource, void *wanted, void *old)"),
    getsockopt: bind("int getsockopt(int socket, int level, int option, void *value, void *size)"),
    spawn: bind(
      "int posix_spawn(void *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)",
    ),
    initAttributes: bind("int posix_spawnattr_init(void *attributes)"),
    setAttributeFlags: bind("int posix_spawnattr_setflags(void *attributes, short flags)"),
    setDefaultSignals: bind("int posix_spawnattr_setsigdefault(void *attributes, void *set)"),
    setSignalMask: bind("int posix_spawnattr_setsigmask(void *attributes, void *set)"),
    initActions: bind("int posix_spawn_file_actions_init(void *actions)"),
    destroyActions: bind("int posix_spawn_file_actions_destroy(void *actions)"),
    addDup2: bind("int posix_spawn_file_actions_adddup2(void *actions, int from, int to)"),
    addChdir: bind("int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)"),
    /** glibc from 2.34 on; musl has none. */
    addCloseFrom: optional(() => bind("int posix_spawn_file_actions_addclosefrom_np(void *actions, int from)")),
    /** A descriptor that gets readable when the process ends; -1 on an error. */
    pidfdOpen: (pid: number) => syscall(sysPidfdOpen, pid, 0),
    /** The system's name for what went wrong in the call before, such as `EAGAIN`. */
    lastError: () => errnoName(koffi.errno()),
  };
}

/** A call of the C library that failed. */
export class NativeError extends Error {
  constructor(
    call: string,
    /** Such as `EMFILE`. */
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
    .map(([name, number]): [number, string] => [number, name])
    .reverse(),
);

/** Everything that we call gives an int, or a long that is small. */
function toCall(native: NativeFunction): Call {
  return (...args) => Number(native(...args));
}

function optional<Value>(get: () => Value): Value | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}
