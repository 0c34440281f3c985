/** What one chain of plugins came to, for the one line of the log that people read. */
export interface ChainSummary {
  readonly event: string;
  readonly pod: string;
  readonly container?: string;
  readonly id: string;
  readonly state: string;
  /** In the order in which they ran. */
  readonly plugins: readonly { readonly plugin: string; readonly outcome: string; readonly ms: number }[];
  /** `ok`, or the error that the runtime is answered with. */
  readonly answer: string;
  readonly totalMs: number;
}

export interface EndedChain {
  readonly event: string;
  readonly state: string;
  readonly id: string;
  readonly pod: string;
  readonly container?: string | undefined;
  readonly runs: readonly { readonly plugin: string; readonly outcome: string; readonly durationMs: number }[];
  /** The failure that is the call's answer, where there is one. */
  readonly error: string | undefined;
  readonly durationMs: number;
}

/** The fields of a chain's summary; the sentence beside them is "chain ran". */
export function chainSummary({ event, state, id, pod, container, runs, error, durationMs }: EndedChain): ChainSummary {
  return {
    event,
    pod,
    ...(container === undefined ? {} : { container }),
    id,
    state,
    plugins: runs.map(({ plugin, outcome, durationMs: ms }) => ({ plugin, outcome, ms: toTenths(ms) })),
    answer: error ?? "ok",
    totalMs: toTenths(durationMs),
  };
}

function toTenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
