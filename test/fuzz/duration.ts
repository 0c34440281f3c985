/** How long to fuzz, in seconds for each file: a few in `npm test`; a long run is FUZZ_SECONDS=600. */
export const seconds = Number(process.env.FUZZ_SECONDS ?? 8);

/** FUZZ_SEED makes a run again; a long one takes a new seed each time, and prints it. */
export const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
