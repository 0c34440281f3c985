/**
 * Every error code of the bridge. Codes stay the same from version to version; an error's message names the file, key, plugin, pod
 * and remedy.
 */
export type ErrorCode =
  // wire, transport, ttRPC
  | "FRAME_TOO_LARGE" // a frame's header announces more bytes than the limit
  | "PROTOCOL" // the peer broke the protocol
  | "CONNECTION_CLOSED"
  | "CALL_TIMEOUT" // the peer did not answer a call in time
  | "CONNECT_FAILED"
  | "REGISTRATION_REFUSED"
  // JSON, read by the rules of Go's encoding/json
  | "JSON_SYNTAX"
  | "JSON_TYPE" // a JSON value has a type that its key does not allow
  // configuration and usage
  | "CONFIG" // the bridge's configuration is wrong
  | "USAGE" // the command line is wrong
  | "CONF_LIST" // conf.json cannot be read
  // plugins
  | "PLUGIN_FAILED"
  | "ADJUSTMENT" // a result asks for a change that cannot be made
  | "CGROUP_VIEW" // a captured cgroup view cannot be made
  | "STATE" // the journal cannot be used
  | "INTERRUPTED" // a signal ended a verb, or the reader of its stdout has gone away
  | "INTERNAL"; // a fault of the bridge itself

/** The only error class of the bridge. It has a code for programs, a message for people, and fields for the log. */
export class BridgeError extends Error {
  override readonly name = "BridgeError";
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly fields: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The message of a thrown value, without its stack. */
export function errorText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(errorText(thrown));
}

/**
 * The start of a text that the bridge did not write, short enough to quote in a message. The user may have named a wrong file,
 * whose whole content does not belong into the log.
 */
export function excerpt(text: string, most = 200): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}

/** The result of `look`; undefined when `look` throws, for callers to whom the reason does not matter. */
export function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** What an errno of the file system means, for the user who named the path. */
const meanings: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  ENOTDIR: "a part of the path is not a folder",
  EISDIR: "a file is expected, and the path is a folder",
  EFTYPE: "a file is expected, and the path is a FIFO or a device",
  ENXIO: "a file is expected, and the path is a socket or a device",
  EFBIG: "the file is too large",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
};

/** Why a path cannot be used: `permission denied (EACCES)`. */
export function fileFault(error: unknown): string {
  const code = errnoOf(error);
  const meaning = meanings[code];
  return meaning === undefined ? errorText(error) : `${meaning} (${code})`;
}

/** The code of a system error, such as ENOENT; "" for any other thrown value. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
