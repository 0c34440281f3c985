/** Numbers that are as good as random, and the same again for the same seed. */
export interface Random {
  readonly seed: number;
  /** In [0, 1). */
  next(): number;
  /** A whole number, both ends included. */
  between(least: number, most: number): number;
  pick<T>(choices: readonly [T, ...T[]]): T;
}

/** Mulberry32, the shortest generator that is good enough for mischief. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return { seed, next, between, pick: (choices) => choices[between(0, choices.length - 1)] ?? choices[0] };
}

/** The seed of this run: `NRI_E2E_SEED`, to play a bad day again, else a new one. */
export function chooseSeed(): number {
  const given = Number(process.env.NRI_E2E_SEED);
  return given > 0 ? given : Date.now() % 2 ** 31;
}
