import type { Facts } from "./facts.js";
import { bySeverity, type Finding } from "./finding.js";
import { bridgeFindings, selfFindings } from "./findings/bridge.js";
import { cgroupFindings } from "./findings/cgroup.js";
import { confFindings } from "./findings/conf.js";
import { launchedFindings } from "./findings/launched.js";
import { migrateFindings } from "./findings/migrate.js";
import { pluginFindings } from "./findings/plugins.js";
import { runtimeFindings } from "./findings/runtime.js";
import { runtimeConfigFindings } from "./findings/runtime-config.js";
import { sandboxFindings } from "./findings/sandboxes.js";
import { socketFindings } from "./findings/socket.js";
import { crioFindings, launchRiskFindings, timeFindings } from "./findings/time.js";

/** Everything that there is to say of a node, the worst first. @param migrate say what an upgrade will change, too */
export function findAll(facts: Facts, migrate: boolean): readonly Finding[] {
  return bySeverity([
    ...runtimeFindings(facts, migrate),
    ...runtimeConfigFindings(facts),
    ...socketFindings(facts),
    ...launchedFindings(facts),
    ...launchRiskFindings(facts),
    ...bridgeFindings(facts),
    ...confFindings(facts),
    ...pluginFindings(facts),
    ...cgroupFindings(facts),
    ...timeFindings(facts),
    ...crioFindings(facts),
    ...sandboxFindings(facts),
    ...selfFindings(facts),
    ...(migrate ? migrateFindings(facts) : []),
  ]);
}

/** What `check` looks at: the configuration and the plugins, whatever the runtime. */
export function findInConfiguration(facts: Facts): readonly Finding[] {
  return bySeverity([...bridgeFindings(facts), ...confFindings(facts), ...pluginFindings(facts)]);
}
