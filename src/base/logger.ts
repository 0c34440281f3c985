/** The logger, in pino's call shape: a constant sentence with its fields before it. */
export interface Log {
  debug(fields: object, sentence: string): void;
  info(fields: object, sentence: string): void;
  warn(fields: object, sentence: string): void;
  error(fields: object, sentence: string): void;
  /** From now on no line says what these parts of conf.json hold. */
  conceal(confs: readonly { readonly conf?: string | undefined }[]): void;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, conceal() {} };
