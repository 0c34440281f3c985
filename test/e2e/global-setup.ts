import { isBridgeBuilt } from "./testbed/bridge.js";
import { removeLeftovers } from "./testbed/leftovers.js";
import { findMissingNeeds, needs } from "./testbed/machine.js";
import { prepareTestbed } from "./testbed/packages.js";

/** Says once what will be tested on this machine and what will not, and fetches the runtimes the first time. */
export async function setup(): Promise<void> {
  const prepared = await prepareTestbed();
  if (prepared.ok) {
    await removeLeftovers();
    const versions = Object.values(prepared.testbed.runtimes).map(({ version }) => version);
    console.log(`End to end on containerd ${versions.join(", ")} in ${prepared.testbed.directory}`);
  } else {
    const missing = `The end-to-end tests cannot run here. Missing: ${prepared.missing.join("; ")}`;
    // Where they are the point of the run, as in CI, skipping them must not look like success.
    if (process.env.NRI_E2E_REQUIRED) throw new Error(missing);
    console.log(missing);
  }
  if (!isBridgeBuilt()) console.log("Tests of the bridge are skipped: dist/ is not built (npm run build)");
  for (const need of await findMissingNeeds()) console.log(`Some tests are skipped. Missing: ${needs[need]}`);
}

export async function teardown(): Promise<void> {
  if (process.getuid?.() === 0) await removeLeftovers();
}
