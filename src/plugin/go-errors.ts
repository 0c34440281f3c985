import { errnoOf } from "../base/errors.js";

/**
 * The texts that Go prints for the system's error codes.
 *
 * compat: containerd 1.6 handed the errors of os/exec on as they are, and people search for them.
 */
const goErrnoTexts: Readonly<Record<string, string>> = {
  E2BIG: "argument list too long",
  EACCES: "permission denied",
  EAGAIN: "resource temporarily unavailable",
  // Go waits for ever there, and v0.1's client did: the text is ours.
  EFTYPE: "not a regular file",
  EFBIG: "file too large",
  EINVAL: "invalid argument",
  EIO: "input/output error",
  EISDIR: "is a directory",
  ELIBBAD: "accessing a corrupted shared library",
  ELOOP: "too many levels of symbolic links",
  EMFILE: "too many open files",
  ENAMETOOLONG: "file name too long",
  ENFILE: "too many open files in system",
  ENOENT: "no such file or directory",
  ENOEXEC: "exec format error",
  ENOMEM: "cannot allocate memory",
  ENOTDIR: "not a directory",
  ENXIO: "no such device or address",
  EPERM: "operation not permitted",
  ETXTBSY: "text file busy",
};

/** Go's error for a file that cannot be executed: `fork/exec /path: exec format error`. */
export function formatStartError(path: string, code: string): string {
  return formatFileError("fork/exec", path, code);
}

/** Go's error for an operation on a file: `open /path: permission denied`. */
export function formatFileError(operation: string, path: string, code: string): string {
  return `${operation} ${path}: ${goErrnoTexts[code] ?? `errno ${code}`}`;
}

/** The system's error code of something thrown, such as `ENOENT`; `EIO` when it has none. */
export function errorCode(thrown: unknown): string {
  const code = errnoOf(thrown);
  return code === "ERR_INVALID_ARG_VALUE" ? "EINVAL" : code || "EIO";
}
