import { errnoOf } from "../base/errors.js";

/**
 * The texts that Go prints for the system's error codes.
 *
 * compat: containerd 1.6 passed the errors of os/exec on unchanged, and people search for these texts.
 */
const goErrnoTexts: Readonly<Record<string, string>> = {
  E2BIG: "argument list too long",
  EACCES: "permission denied",
  EAGAIN: "resource temporarily unavailable",
  // For a FIFO or a device v0.1's client, in Go, would wait for ever, so Go has no text: this one is the bridge's.
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

/** The system's error code of a thrown value, such as `ENOENT`; `EIO` when the value has no code. */
export function errorCode(thrown: unknown): string {
  const code = errnoOf(thrown);
  return code === "ERR_INVALID_ARG_VALUE" ? "EINVAL" : code || "EIO";
}
