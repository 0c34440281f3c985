import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { BridgeError, fileFault } from "../../base/errors.js";
import { makeDirectory } from "../../base/files.js";
import type { Log } from "../../base/logger.js";
import { version } from "../../base/version.js";
import { createNodeHost } from "../../host/host.js";
import type { PodSandbox } from "../../nri/types.js";
import { kindOf } from "../replay/case.js";
import { defaultRecorderLimits, type RecordedCase, Recorder, type RecorderOptions } from "./recorder.js";

/** What the command line says of a recording. */
export type RecordSettings = Pick<RecorderOptions, "out" | "redact" | "limits" | "keepAnnotation" | "wants">;

/** The flags that shape a recording, as they are parsed. */
export interface RecordFlags {
  readonly pods?: number;
  readonly pod?: readonly string[];
  readonly maxBytes?: number;
  readonly keepAnnotation?: readonly string[];
  readonly redact?: boolean;
}

export function recordSettings(out: string, flags: RecordFlags = {}): RecordSettings {
  if (out === "") throw new BridgeError("USAGE", "the folder of a recording is the empty path; name one");
  const pods = patternsOf(flags.pod);
  const annotations = patternsOf(flags.keepAnnotation);
  return {
    out: resolve(out),
    redact: flags.redact ?? true,
    limits: {
      pods: flags.pods ?? defaultRecorderLimits.pods,
      bytes: flags.maxBytes ?? defaultRecorderLimits.bytes,
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

function patternsOf(patterns: readonly string[] = []): readonly ((text: string) => boolean)[] {
  return patterns.map((pattern) => {
    const start = pattern.slice(0, -1);
    return pattern.endsWith("*") ? (text) => text.startsWith(start) : (text) => text === pattern;
  });
}
