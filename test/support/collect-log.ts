import type { Log } from "../../src/base/logger.js";

export interface LoggedLine {
  readonly level: string;
  readonly sentence: string;
  readonly fields: object;
}

/** A log that a test reads. */
export function collectLog(): Log & { readonly lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const at = (level: string) => (fields: object, sentence: string) => void lines.push({ level, sentence, fields });
  return { lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), conceal() {} };
}
