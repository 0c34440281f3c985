import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { errorText } from "../../src/base/errors.js";
import { parseBundle } from "../../src/v01/bundle.js";
import { parseConfigList } from "../../src/v01/config-list.js";
import { formatString } from "../../src/v01/gojson/format.js";
import { quote } from "../../src/v01/gojson/quote.js";
import { formatRequestBody } from "../../src/v01/request.js";
import { formatResult, parseResult } from "../../src/v01/result.js";

/**
 * What Go 1.19.8 (the Go of Debian bookworm, and of its containerd 1.6.20) answered for an input:
 *
 * - `result`: json.Unmarshal into the v1.Result of NRI v0.1, and json.Marshal of that
 * - `configList`: json.Decoder into v1.ConfigList: the version as `%q`, then each plugin as json.Marshal writes it
 * - `spec`: json.Unmarshal into the parts of runtime-spec's Spec that NRI v0.1 takes, marshalled as v1.Spec
 * - `quote`: strconv.Quote; `string`: json.Marshal of the input as a Go string
 */
interface GoAnswer {
  readonly input?: string;
  /** For what is no UTF-8. */
  readonly inputHex?: string;
  readonly result: string | GoError;
  readonly configList: string | GoError;
  readonly spec: string | GoError;
  readonly quote: string;
  readonly string?: string;
}

interface GoError {
  readonly error: string;
}

const lines = readFileSync(join(import.meta.dirname, "go-1.19-answers.jsonl"), "utf8")
  .trim()
  .split("\n");

it.each(lines.map((line) => parseLine(line)))("Go's answer to %s", (_, bytes, go) => {
  const parsed = parseResult(bytes);
  const answers = {
    result: parsed.ok ? formatResult(parsed.result) : { error: parsed.reason },
    configList: orError(() => formatConfigList(bytes)),
    spec: orError(() => formatSpec(bytes)),
    quote: quote(bytes),
    ...(go.input !== undefined && { string: formatString(go.input) }),
  };
  expect(go).toMatchObject(answers);
});

function parseLine(line: string): [string, Uint8Array, GoAnswer] {
  const answer: GoAnswer = JSON.parse(line);
  const bytes = answer.inputHex === undefined ? Buffer.from(answer.input ?? "") : Buffer.from(answer.inputHex, "hex");
  return [quote(bytes), bytes, answer];
}

function formatConfigList(bytes: Uint8Array): string {
  const { version, plugins } = parseConfigList(bytes);
  const entries = plugins.map(({ type, conf }) => {
    const confField = conf === undefined ? "" : `,"conf":${conf}`;
    return `{"type":${formatString(type)}${confField}}`;
  });
  return [quote(Buffer.from(version)), ...entries].join(" ");
}

function formatSpec(bytes: Uint8Array): string {
  const spec = parseBundle(bytes);
  const body = formatRequestBody({ version: "", state: "", id: "", sandboxID: "", pid: 0, spec, labels: {} });
  return body.slice('"version":"","state":"","id":"","spec":'.length);
}

function orError(run: () => string): string | GoError {
  try {
    return run();
  } catch (thrown) {
    return { error: errorText(thrown).replace("the bundle's config.json: ", "") };
  }
}
