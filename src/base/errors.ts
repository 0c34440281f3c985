/** Every error code of the bridge. A code is stable; the message beside it names the file, key, plugin, pod and remedy. */
export type ErrorCode =
  // wire, transport, ttRPC
  | "FRAME_TOO_LARGE" // a frame's header announces more bytes than the limit
  | "PROTOCOL" // the peer broke the protocol
  | "CONNECTION_CLOSED"
  | "CALL_TIMEOUT" // the peer did not answer a call in time
  | "CONNECT_FAILED"
  | "REGISTRATION_REFUSED"
  // JSON as Go reads it
  | "JSON_SYNTAX"
  | "JSON_TYPE" // a JSON value has a type that its key does not take
  // configuration and usage
  | "CONFIG" // the bridge's configuration is wrong
  | "USAGE" // the command line is wrong
  | "CONF_LIST" // conf.json cannot be read
  // plugins
  | "PLUGIN_FAILED"
  | "ADJUSTMENT" // a result asks for a change that cannot be made
  | "CGROUP_VIEW" // a captured cgroup view cannot be made
  | "STATE" // the journal cannot be used
  | "INTERRUPTED" // a signal, or a reader that is gone, ended a verb
  | "INTERNAL"; // a fault of the bridge itself

/** The one error class: a code for machines, a message for people, fields for the log. */
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

/** The text of anything thrown, without a stack. */
export function errorText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(errorText(thrown));
}

/** As much of a text of others as a message repeats: the file may be none that was meant to be read. */
export function excerpt(text: string, most = 200): string {
  return text.length <= most ? text : `${text.slice(0, most)}…`;
}

/** The result of a call; undefined where it throws and the reason does not matter. */
export function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** An error of the file system in words for the user who named the path. */
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

/** The code of a system error, ENOENT say; "" of anything else. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
