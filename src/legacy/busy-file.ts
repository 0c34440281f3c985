import type { Deadline } from "../deadline.js";

/** An installer that writes the binary is done with it soon, or it is no installer. */
const maxAttempts = 20;
const pauseMs = 5;

/** Tries again for a while when the file is just being written ("text file busy"). By count: a loaded machine is slow. */
export async function retryWhileBusy<Attempt extends { readonly code?: string | undefined }>(
  attempt: () => Attempt | Promise<Attempt>,
  until: Deadline,
): Promise<Attempt> {
  for (let tried = 1; ; tried++) {
    const result = await attempt();
    if (result.code !== "ETXTBSY" || tried === maxAttempts || until.expired) return result;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
