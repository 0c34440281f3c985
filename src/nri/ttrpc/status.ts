import { BridgeError, type ErrorCode, errorText } from "../../base/errors.js";

/** The standard codes of a ttRPC status, numbered as gRPC numbers them. */
export const Code = {
  OK: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const satisfies Record<string, number>;

/** An error status as the answer to a call. The server sends the error that a handler throws; the client throws it. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  constructor(
    /** A Code, or a number that a newer peer defines. */
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** A google.rpc.Status without its `details`, which NRI does not use. */
export interface Status {
  /** A Code, or a number that a newer peer defines. */
  readonly code: number;
  readonly message: string;
}

/** The longest status message that the bridge sends, in bytes: the message ends up in kubelet events, which show no more. */
const MAX_MESSAGE_BYTES = 8192;

/** The status that the caller gets for an error of a handler or of the server; never OK. */
export function toStatus(thrown: unknown): Status {
  return { code: codeFor(thrown), message: shorten(errorText(thrown)) };
}

function codeFor(thrown: unknown): number {
  if (thrown instanceof StatusError && thrown.code !== Code.OK) return thrown.code;
  return (thrown instanceof BridgeError && codes[thrown.code]) || Code.Unknown;
}

const codes: Partial<Record<ErrorCode, number>> = {
  FRAME_TOO_LARGE: Code.ResourceExhausted,
  PROTOCOL: Code.InvalidArgument,
  CALL_TIMEOUT: Code.DeadlineExceeded,
  CONNECTION_CLOSED: Code.Unavailable,
};

/**
 * Cuts a text after a whole character to at most MAX_MESSAGE_BYTES, and replaces each lone surrogate by U+FFFD: Go refuses a
 * message whose strings are not UTF-8.
 */
function shorten(text: string): string {
  const bytes = new Uint8Array(MAX_MESSAGE_BYTES);
  const { written } = new TextEncoder().encodeInto(text, bytes);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, written));
}

/** The error of a call in the JSON lines: the name of the status code, and the message. */
export interface CallError {
  readonly code: string;
  readonly message: string;
}

/** The status that the caller gets for a thrown error, with the name of its code, such as `DEADLINE_EXCEEDED`. */
export function toCallError(thrown: unknown): CallError {
  const { code, message } = toStatus(thrown);
  const name = Object.entries(Code).find(([, number]) => number === code)?.[0] ?? "Unknown";
  return { code: name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase(), message };
}
