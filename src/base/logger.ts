/** The logger. Its methods take arguments in pino's order: first the fields, then a constant sentence. */
export interface Log {
  debug(fields: object, sentence: string): void;
  info(fields: object, sentence: string): void;
  warn(fields: object, sentence: string): void;
  error(fields: object, sentence: string): void;
  /** From now on the logger masks, in every line, what these `conf` values of conf.json hold: they may be secret. */
  conceal(confs: readonly { readonly conf?: string | undefined }[]): void;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, conceal() {} };
