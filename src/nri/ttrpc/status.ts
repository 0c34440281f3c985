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

/** A call's answer that is an error status: thrown by a handler it is sent, received by a client it is thrown. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  constructor(
    /** A Code, or a number that a later peer made up. */
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** A google.rpc.Status; its details are not used by NRI. */
export interface Status {
  /** A Code, or a number that a later peer made up. */
  readonly code: number;
  readonly message: string;
}

/** Bytes of a status message: it ends up in kubelet events, where no more is read. */
const MAX_MESSAGE_BYTES = 8192;

/** The error for the caller, from anything that answering its call threw; never OK. */
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

/** Cuts between characters, and makes a lone surrogate U+FFFD: Go refuses a message whose strings are no UTF-8. */
function shorten(text: string): string {
  const bytes = new Uint8Array(MAX_MESSAGE_BYTES);
  const { written } = new TextEncoder().encodeInto(text, bytes);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, written));
}

/** An error as JSON lines have it: the status code's name, and the text. */
export interface CallError {
  readonly code: string;
  readonly message: string;
}

/** The status for the caller, by name; of a call that failed, its fate. */
export function toCallError(thrown: unknown): CallError {
  const { code, message } = toStatus(thrown);
  const name = Object.entries(Code).find(([, number]) => number === code)?.[0] ?? "Unknown";
  return { code: name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase(), message };
}
