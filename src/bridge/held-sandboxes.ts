import { within } from "../base/deadline.js";
import { BridgeError, errorText } from "../base/errors.js";
import type { Target } from "../v01/to-v01.js";
import { backgroundInfo, type EventInfo } from "./call-time.js";
import type { BridgeParts } from "./lifecycle.js";

/**
 * Sandboxes where the runtime must not be told that their create failed; see mayFail. One that is refused has its delete at
 * once, as it would have followed, and is held: its create runs again before anything is done for a container of it, and that
 * fails with it, until it succeeds. The ledger keeps what is held, over our end too.
 */
export class HeldSandboxes {
  /** Those whose first create has not ended, be its call answered or not. */
  private readonly creating = new Set<string>();

  /** @param createNow and deleteNow: in a turn of the sandbox that has begun */
  constructor(
    private readonly parts: BridgeParts,
    private readonly createNow: (pod: Target, info: EventInfo) => Promise<void>,
    private readonly deleteNow: (id: string, info: EventInfo) => Promise<unknown>,
  ) {}

  /** Runs the create of a sandbox, which is held where that fails. @throws BridgeError PLUGIN_FAILED, CONF_LIST: it failed */
  create(pod: Target, info: EventInfo): Promise<void> {
    this.creating.add(pod.id);
    return this.attempt(pod, () => this.createNow(pod, info)).finally(() => this.creating.delete(pod.id));
  }

  /** Whether a sandbox is held, or may come to be. */
  holds(id: string): boolean {
    return this.parts.ledger.isRefused(id) || this.creating.has(id);
  }

  /** Runs the create of a held sandbox again, before anything is done for a container of it. @throws as `create` does */
  async createAgain(pod: Target, info: EventInfo): Promise<void> {
    const { ledger } = this.parts;
    const { answerBy, terminateAt, remedy } = info.time;
    const late = new BridgeError(
      "PLUGIN_FAILED",
      `nri invoke: the plugins did not finish the create of the pod sandbox in time (${remedy})`,
    );
    const done = this.attempt(pod, async () => {
      // An attempt before this one may have succeeded.
      if (!ledger.isRefused(pod.id)) return;
      await this.deleteIfHeld(pod.id);
      // No plugin is started after that: the delete of such an attempt would be one more than plugins saw creates.
      if (terminateAt.expired) throw late;
      await this.createNow(pod, info);
    });
    await within(answerBy, done, () => Promise.reject(late));
  }

  /** One turn has the create and, where that fails, its delete, so that the next create comes after; no answer waits for it. */
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

  /** The delete of a held sandbox that an earlier bridge owed it, unless its create has succeeded meanwhile. */
  deleteOwed(id: string): Promise<void> {
    const { background, serial } = this.parts;
    return background.track(serial.run(id, () => this.deleteIfHeld(id)));
  }

  private async deleteIfHeld(id: string): Promise<void> {
    const { config, ledger, log } = this.parts;
    if (!ledger.isRefused(id)) return;
    await this.deleteNow(id, backgroundInfo("StopPodSandbox", config)).catch((error) => {
      log.error({ id, error: errorText(error) }, "running the plugins for a delete failed");
    });
  }
}
