import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { waitFor } from "../e2e/testbed/command.js";
import { Daemon } from "../e2e/testbed/daemon.js";
import { prepareTestbed } from "../e2e/testbed/packages.js";
import { installPlugins } from "../e2e/testbed/records.js";
import { playScenario, type Scenario, wholeLife } from "../e2e/testbed/scenario.js";
import { bridgeConfFile } from "../e2e/testbed/target.js";
import { bundle, executable, root, run } from "./support.js";

const prepared = await prepareTestbed();
const whole: Scenario = { name: "installed", title: "", runs: 4, recorded: false, run: wholeLife({ number: 90 }) };

/** A real containerd launches what install.sh put there, with no file of this repository's but that and its configuration. */
describe.skipIf(!prepared.ok || !existsSync(executable))("launched mode, installed by install.sh", () => {
  let daemon: Daemon | undefined;
  afterEach(async () => daemon?.stop());

  it.each([
    ["the single executable", "v17", ["--executable", executable]],
    ["the single executable", "v2", ["--executable", executable]],
    ["the bundle", "v2", ["--bundle", bundle]],
  ] as const)(
    "%s runs plugins under containerd (%s)",
    async (_, runtime, what) => {
      if (!prepared.ok) return;
      const started = await Daemon.start(prepared.testbed, runtime, {
        async install(installing) {
          await installPlugins(installing);
          const where = ["--directory", installing.path("/opt/nri/plugins")];
          const installed = await run("sh", [join(root, "deploy/launched/install.sh"), ...where, ...what]);
          expect(installed).toMatchObject({ code: 0, stderr: "" });
          // The runtime hands this on as the plugin's configuration.
          const config = `confFile: ${bridgeConfFile}\nlog: {level: debug}\nstate: memory\n`;
          await writeFile(installing.path("/etc/nri/conf.d/10-v01-bridge.conf"), config);
        },
      });
      daemon = started;
      await waitFor("registration", 20_000, () => (/#\d+: .*10-v01-bridge/.test(started.log()) ? true : undefined));
      const { runs, failedCalls } = await playScenario(whole, started, bridgeConfFile);
      expect(failedCalls).toEqual([]);
      expect(runs).toHaveLength(4);
      // stderr is /dev/null there, and this machine has neither journal nor syslog: the log is a file, never nowhere.
      const log = started.path("/var/lib/nri-v01-bridge/bridge.log");
      expect(readFileSync(log, "utf8")).toContain('"mode":"launched"');
    },
    180_000,
  );
});
