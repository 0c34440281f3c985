import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { BridgeError, fileFault } from "../errors.js";
import { makeDirectory } from "../files.js";
import { createNodeHost } from "../host/host.js";
import type { Log } from "../logger.js";
import type { PodSandbox } from "../nri/types.js";
import { defaultRecorderLimits, type RecordedCase, Recorder, type RecorderOptions } from "../record/recorder.js";
import { kindOf } from "../replay/case-files.js";
import { version } from "../version.js";

/** What the command line says of a recording. */
export type RecordSettings = Pick<RecorderOptions, "out" | "redact" | "limits" | "keepAnnotation" | "wants">;

/** Adds the flags that shape a recording. */
export function addRecordFlags(command: Command): Command {
  return command
    .option("--pods <number>", "record so many pods at most", parseCount, defaultRecorderLimits.pods)
    .option("--pod <namespace/name...>", "record these pods only; a * at the end stands for any rest")
    .option("--max-bytes <number>", "write so many bytes at most", parseCount, defaultRecorderLimits.bytes)
    .option("--keep-annotation <name...>", "annotations that are no secret, as a plugin may need; * as for --pod")
    .option("--no-redact", "write environment, annotations, arguments and conf as they are, with their secrets");
}

export function recordSettings(out: string, options: Readonly<Record<string, unknown>>): RecordSettings {
  if (out === "") throw new BridgeError("USAGE", "the folder of a recording is the empty path; name one");
  const pods = patternsOf(options.pod);
  const annotations = patternsOf(options.keepAnnotation);
  return {
    out: resolve(out),
    redact: options.redact !== false,
    limits: {
      pods: typeof options.pods === "number" ? options.pods : defaultRecorderLimits.pods,
      bytes: typeof options.maxBytes === "number" ? options.maxBytes : defaultRecorderLimits.bytes,
    },
    keepAnnotation: (key) => annotations.some((matches) => matches(key)),
    wants: ({ namespace, name }: PodSandbox) =>
      pods.length === 0 || pods.some((matches) => matches(`${namespace}/${name}`)),
  };
}

/**
 * Makes the folder of a recording, so that nothing is recorded for a day and then cannot be written.
 * @throws BridgeError USAGE that says why it cannot be used
 */
export function makeOutFolder({ out }: RecordSettings, flag: string): void {
  try {
    if (kindOf(out) === "file") throw new BridgeError("USAGE", `${out}: it is a file; name a folder`);
    makeDirectory(out, 0o700);
    accessSync(out, constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = error instanceof BridgeError ? error.message : `${out}: ${fileFault(error)}`;
    throw new BridgeError("USAGE", `${flag}: ${why}`);
  }
}

/** A recorder on this node. */
export function createNodeRecorder(
  settings: RecordSettings,
  recordedBy: RecorderOptions["recordedBy"],
  confFile: string,
  log: Log,
  onCase?: (recorded: RecordedCase) => void,
): Recorder {
  const told = onCase ?? ((recorded: RecordedCase) => log.info(recorded, "a pod was recorded"));
  return new Recorder({ ...settings, recordedBy, confFile, version, log, host: createNodeHost(), onCase: told });
}

/** Milliseconds of `90s`, `5m`, `1h` or `500ms`. */
export function parseDuration(text: string): number {
  const [, number, unit = ""] = /^(\d{1,6})(ms|s|m|h)$/.exec(text) ?? [];
  const factors: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  const ms = Number(number) * (factors[unit] ?? 0);
  // A timer takes no more.
  if (!(ms > 0) || ms > 2 ** 31 - 1) throw new InvalidArgumentError("a time such as 90s, 5m or 1h is expected.");
  return ms;
}

function parseCount(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError("a whole number above 0 is expected.");
  return number;
}

function patternsOf(given: unknown): readonly ((text: string) => boolean)[] {
  const patterns: unknown[] = Array.isArray(given) ? given : [];
  return patterns.map(String).map((pattern) => {
    const start = pattern.slice(0, -1);
    return pattern.endsWith("*") ? (text) => text.startsWith(start) : (text) => text === pattern;
  });
}
