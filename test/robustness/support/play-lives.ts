import type { RuntimePlugin } from "../../../src/tools/runtime/runtime-plugin.js";
import { lifeOf } from "./subjects.js";

/** So many pods live side by side. */
const lanes = 8;

/**
 * Plays the lives of the pods from one number to before another: six events each, one after the other.
 * @throws Error for an event that is not answered with success
 */
export async function playLives(plugin: RuntimePlugin, from: number, to: number): Promise<void> {
  let next = from;
  const live = async () => {
    while (next < to) {
      for (const [name, subject] of lifeOf(next++)) {
        const { dropped, error } = await plugin.call(name, subject);
        if (dropped || error !== undefined) throw new Error(`${name} is answered with ${error?.message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, live));
}
