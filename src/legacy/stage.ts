import type { Request } from "../v01/types.js";
import type { SpawnOptions, SpawnResult } from "./spawner.js";

/** Where one plugin runs, when that is not plainly the node: a private view of the cgroups. */
export interface Stage {
  /** The request as it is true there. */
  readonly request: Request;
  /** The same run, inside. */
  command(options: SpawnOptions): SpawnOptions;
  /**
   * After the run: why the plugin itself could not be executed, such as ENOENT; what was started is the way in. `stderr`: its
   * lines there.
   */
  startError(stderr: readonly string[]): SpawnResult["startError"];
  /** Lets go of it. */
  close(): void;
}
