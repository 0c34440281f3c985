import { closeInheritedDescriptors } from "./inherited-descriptors.js";
import { PipePool } from "./pipe-pool.js";
import { createPipes } from "./pipe-source.js";
import { PortableStarter } from "./portable-starter.js";
import { ProcessSpawner } from "./process-spawner.js";
import type { Spawner } from "./spawner.js";
import type { RunningProcess } from "./supervise.js";

/**
 * The spawner that needs nothing but Node, a shell and /proc: execa, with pipes that the shell made. Each start copies the
 * page tables of the whole bridge (fork), so it costs more the more memory we hold.
 *
 * @param onStart told of each process as soon as it is there
 * @param onCrowded told of each whose background children are not read from any more, so that few descriptors are held
 */
export function createPortableSpawner(
  onStart?: (process: RunningProcess) => void,
  onCrowded?: (pid: number, most: number) => void,
): Spawner {
  closeInheritedDescriptors();
  return new ProcessSpawner(new PortableStarter(new PipePool(createPipes)), onStart, onCrowded);
}
