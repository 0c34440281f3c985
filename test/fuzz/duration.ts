/** How long to fuzz, in seconds for each file: a few in `npm run test:slow`; a long run is FUZZ_SECONDS=600. */
export const seconds = Number(process.env.FUZZ_SECONDS ?? 8);

const anew = process.env.FUZZ_SECONDS === undefined ? 20_261_121 : Math.floor(Math.random() * 2 ** 31);

/** FUZZ_SEED makes a run again. The short run has one seed; a long one takes a new one each time, and prints it. */
export const seed = Number(process.env.FUZZ_SEED ?? anew);
