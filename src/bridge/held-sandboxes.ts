import { within } from "../base/deadline.js";
import { BridgeError, errorText } from "../base/errors.js";
import type { Target } from "../v01/to-v01.js";
import { backgroundInfo, type EventInfo } from "./call-time.js";
import type { BridgeParts } from "./lifecycle.js";

/**
 * Sandboxes whose failed create the bridge must not report to the runtime (see mayFail). When a plugin refuses such a sandbox, the
 * bridge delivers the sandbox's delete at once, as the runtime's teardown would have, and holds the sandbox: before each create of
 * one of its containers, the bridge runs the sandbox's create again, and fails the container while that create fails. The ledger
 * keeps the held sandboxes, also after the bridge's end.
 */
export class HeldSandboxes {
  /** The sandboxes whose first create still runs, whether the bridge has answered the runtime's call or not. */
  private readonly creating = new Set<string>();

  /** `createNow` and `deleteNow` run a create and a delete; the caller must be in the sandbox's turn of `serial`. */
  constructor(
    private readonly parts: BridgeParts,
    private readonly createNow: (pod: Target, info: EventInfo) => Promise<void>,
    private readonly deleteNow: (id: string, info: EventInfo) => Promise<unknown>,
  ) {}

  /**
   * Runs the create of a sandbox, and holds the sandbox when the create fails.
   * @throws BridgeError PLUGIN_FAILED or CONF_LIST when the create fails
   */
  create(pod: Target, info: EventInfo): Promise<void> {
    this.creating.add(pod.id);
    return this.attempt(pod, () => this.createNow(pod, info)).finally(() => this.creating.delete(pod.id));
  }

  /** Whether the bridge holds this sandbox, or its first create still runs and may fail. */
  holds(id: string): boolean {
    return this.parts.ledger.isRefused(id) || this.creating.has(id);
  }

  /**
   * Runs the create of a held sandbox again, before a create of one of its containers.
   * @throws BridgeError PLUGIN_FAILED or CONF_LIST when the create fails, PLUGIN_FAILED also when it is late
   */
  async createAgain(pod: Target, info: EventInfo): Promise<void> {
    const { ledger } = this.parts;
    const { answerBy, terminateAt, remedy } = info.time;
    const late = new BridgeError(
      "PLUGIN_FAILED",
      `nri invoke: the plugins did not finish the create of the pod sandbox in time (${remedy})`,
    );
    const done = this.attempt(pod, async () => {
      // An attempt that ran while this one waited for its turn may have succeeded.
      if (!ledger.isRefused(pod.id)) return;
      await this.deleteIfHeld(pod.id);
      // After this time the bridge could start no plugin, and the ledger would owe a delete for a create that no plugin saw.
      if (terminateAt.expired) throw late;
      await this.createNow(pod, info);
    });
    await within(answerBy, done, () => Promise.reject(late));
  }

  /**
   * Runs a create and, when the create fails, its delete in one turn, so that the next create follows the delete. The returned
   * promise settles after the create: no answer waits for the delete.
   */
  private attempt(pod: Target, create: () => Promise<void>): Promise<void> {
    const { background, ledger, serial } = this.parts;
    return new Promise((resolve, reject) => {
      const turn = serial.run(pod.id, async () => {
        try {
          await create();
          ledger.setRefused(pod.id, false);
          resolve();
        } catch (error) {
          ledger.setRefused(pod.id, true);
          reject(error);
          await this.deleteIfHeld(pod.id);
        }
      });
      void background.track(turn);
    });
  }

  /**
   * Delivers the delete of a held sandbox that an earlier bridge did not deliver, unless the sandbox's create has succeeded
   * meanwhile.
   */
  deleteOwed(id: string): Promise<void> {
    const { background, serial } = this.parts;
    return background.track(serial.run(id, () => this.deleteIfHeld(id)));
  }

  private async deleteIfHeld(id: string): Promise<void> {
    const { config, ledger, log } = this.parts;
    if (!ledger.isRefused(id)) return;
    await this.deleteNow(id, backgroundInfo("StopPodSandbox", config)).catch((error) => {
      log.error({ id, error: errorText(error) }, "the bridge could not run the plugins for a delete");
    });
  }
}
