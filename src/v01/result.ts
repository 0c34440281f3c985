import { decodeDocument, map, string, struct } from "./gojson/codec.js";
import { byteOf, closingQuote } from "./gojson/literals.js";
import { quote } from "./gojson/quote.js";
import type { Result } from "./types.js";

export type ParsedResult =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly reason: string };

/**
 * Reads a plugin's whole stdout as containerd 1.6 did: keys in any letter case, unknown keys dropped, `null` and `{}` fine.
 * `reason` is the error of Go's encoding/json, word for word.
 */
export function parseResult(stdout: Uint8Array): ParsedResult {
  const decoded = decodeDocument(stdout, result);
  return decoded.ok ? { ok: true, result: decoded.value } : { ok: false, reason: decoded.reason };
}

/** The most JSON values of a result: reading them takes 50 ms, and nothing else runs meanwhile. 1.6 had no limit. */
export const mostResultValues = 20_000;

/** Whether a plugin's stdout has more values than a result may have. It looks at brackets and commas alone. */
export function hasTooManyValues(stdout: Uint8Array): boolean {
  let values = 0;
  for (let at = 0; at < stdout.length; at++) {
    const byte = stdout[at];
    if (byte === byteOf.quote) at = closingQuote(stdout, at + 1) ?? stdout.length;
    else if (byte === byteOf.comma || byte === byteOf.openBracket || byte === byteOf.openBrace) {
      values += 1;
      if (values > mostResultValues) return true;
    }
  }
  return false;
}

/** A result as the later plugins of the chain get it: known keys only, `metadata` left out when empty. */
export function formatResult(answer: Result): string {
  return result.format(answer);
}

/**
 * Why a plugin gave no result, in 1.6's words. `exitCode` is -1 for a death by signal.
 * compat: NRI v0.1.0 client.go invokePlugin: the exit code is told only when it is not 0.
 */
export function formatPluginError(reason: string, stdout: Uint8Array, exitCode: number): string {
  const output = stdout.length === 0 ? "<empty>" : quote(stdout);
  const exit = exitCode === 0 ? "" : ` exit code: ${exitCode}`;
  return `failed to unmarshal plugin output: ${reason}: output: ${output}${exit}`;
}

/** Any failure of a plugin as the chain reports it. */
export function formatChainError(type: string, failure: string): string {
  return `plugin: ${type}: ${failure}`;
}

const result = struct("v1.Result", {
  plugin: string(),
  version: string(),
  error: string(),
  metadata: { ...map(string()), omitEmpty: true },
});
