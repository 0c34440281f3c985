import type { Config } from "./config/schema.js";
import { environmentVariableOf } from "./host/peer.js";
import { sharesConfFile } from "./host/shared-file.js";
import type { Log } from "./logger.js";
import type { RuntimeInfo } from "./nri/handlers.js";
import { decideSandboxes } from "./state/sandboxes.js";

/** Whether the bridge serves a sandbox that is created now; the log says once how it is, and why. */
export function createSandboxRule(
  config: Config,
  runtime: RuntimeInfo,
  peer: number | undefined,
  log: Log,
): () => boolean {
  const flag = peer === undefined ? undefined : environmentVariableOf(peer, "ENABLE_CRI_SANDBOXES");
  const sandboxedCri = peer === undefined ? undefined : (flag ?? "") !== "";
  let told = "";
  return () => {
    const decision = decideSandboxes({
      setting: config.sandboxes,
      runtime,
      sandboxedCri,
      sharesConfFile: () => sharesConfFile(peer, config.confFile),
    });
    const { served, reason, unsure } = decision;
    if (told !== `${served}`) {
      told = `${served}`;
      if (unsure) log.warn({ served, reason }, "serving sandboxes, although the runtime may run their plugins itself");
      else log.info({ served, reason }, "who serves sandboxes");
    }
    return served;
  };
}
