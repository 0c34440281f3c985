import type { Spawner } from "./spawner.js";

/** A spawner whose runs end when the signal says so, whatever time they have: nothing is left behind at our own end. */
export function endedBy(spawner: Spawner, signal: AbortSignal): Spawner {
  return {
    name: spawner.name,
    run: (options) =>
      spawner.run({
        ...options,
        signal: options.signal === undefined ? signal : AbortSignal.any([options.signal, signal]),
      }),
    prepare: (command) => spawner.prepare(command),
    close: () => spawner.close(),
  };
}
