import { decodeDocument, map, string, struct } from "./gojson/codec.js";
import { byteOf, closingQuote } from "./gojson/literals.js";
import { quote } from "./gojson/quote.js";
import type { Result } from "./types.js";

export type ParsedResult =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly reason: string };

/**
 * Parses a plugin's whole stdout as containerd 1.6 did: keys match in any letter case, unknown keys are dropped, `null` and `{}`
 * are valid. `reason` is the error of Go's encoding/json, word for word.
 */
export function parseResult(stdout: Uint8Array): ParsedResult {
  const decoded = decodeDocument(stdout, result);
  return decoded.ok ? { ok: true, result: decoded.value } : { ok: false, reason: decoded.reason };
}

/**
 * The most JSON values that a result may have: parsing this many takes 50 ms, during which the bridge does nothing else. containerd
 * 1.6 had no limit.
 */
export const mostResultValues = 20_000;

/**
 * Whether a plugin's stdout has more values than `mostResultValues`. The function counts brackets and commas outside of strings.
 */
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

/** A result as the requests of the later plugins carry it: known keys only, without an empty `metadata`. */
export function formatResult(answer: Result): string {
  return result.format(answer);
}

/**
 * The error text for a plugin without a valid result, in containerd 1.6's words. `exitCode` is -1 when a signal ended the plugin.
 * compat: NRI v0.1.0 client.go invokePlugin: the text has the exit code only when it is not 0.
 */
export function formatPluginError(reason: string, stdout: Uint8Array, exitCode: number): string {
  const output = stdout.length === 0 ? "<empty>" : quote(stdout);
  const exit = exitCode === 0 ? "" : ` exit code: ${exitCode}`;
  return `failed to unmarshal plugin output: ${reason}: output: ${output}${exit}`;
}

/** The error text of a chain for any failure of a plugin. */
export function formatChainError(type: string, failure: string): string {
  return `plugin: ${type}: ${failure}`;
}

const result = struct("v1.Result", {
  plugin: string(),
  version: string(),
  error: string(),
  metadata: { ...map(string()), omitEmpty: true },
});
