import { EventPoll } from "../ffi/event-poll.js";
import type { Native } from "../ffi/native.js";
import { type OpenFilesLimit, PosixSpawn } from "../ffi/posix-spawn.js";
import { FfiStarter } from "./ffi-starter.js";
import { closeInheritedDescriptors } from "./inherited-descriptors.js";
import { startingOpenFilesLimit } from "./open-files-limit.js";
import { ProcessSpawner } from "./process-spawner.js";
import type { Spawner } from "./spawner.js";
import type { RunningProcess } from "./supervise.js";

/** As much as a pipe holds. */
const scratchBytes = 1 << 16;

/**
 * The fast spawner: posix_spawn(3) through an FFI library. Nothing of it grows with our memory, and nothing of it waits:
 * the ends of processes and their output come to the event loop by descriptors.
 *
 * Processes lead a group of their own, as those of the portable spawner do: a terminal's signals are for us, and we end the
 * group.
 *
 * @param openFiles what plugins get; undefined for what we have ourselves
 * @param onStart told of each process as soon as it is there
 * @param onCrowded told of each whose background children are not read from any more, so that few descriptors are held
 * @throws Error when the system gives no epoll descriptor
 */
export function createFfiSpawner(
  { koffi, libc }: Native,
  openFiles: OpenFilesLimit | undefined = startingOpenFilesLimit(),
  onStart?: (process: RunningProcess) => void,
  onCrowded?: (pid: number, most: number) => void,
): Spawner {
  // Where the C library can, each child closes what it is not to have.
  if (libc.addCloseFrom === undefined) closeInheritedDescriptors();
  const parts = {
    libc,
    events: new EventPoll(koffi, libc),
    scratch: Buffer.alloc(scratchBytes),
    status: new Int32Array(1),
  };
  return new ProcessSpawner(new FfiStarter(new PosixSpawn(libc, openFiles), parts), onStart, onCrowded);
}
