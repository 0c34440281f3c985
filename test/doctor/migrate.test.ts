import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeNode, healthyNode, runContainerd } from "./fake-node.js";
import {
  clearcfs,
  configToml,
  confJson,
  expectHarmless,
  labels,
  listed,
  nriHeader,
  nriToml,
  script,
} from "./faults.js";

let node: FakeNode;
beforeEach(async () => {
  node = await healthyNode();
});
afterEach(() => node.close());

describe("doctor --migrate on a node of containerd 1.6", () => {
  it("says for each plugin what will change, and is no error", async () => {
    runContainerd(node, "1.6.20~ds1")
      .remove("/run/nri")
      .remove(configToml)
      .write(confJson, listed("clearcfs", "tools/relative"))
      .write("/opt/nri/bin/clearcfs", clearcfs, 0o755)
      .write("/usr/bin/clearcfs", clearcfs, 0o755)
      .write("/tools/relative", script, 0o755)
      .remove(labels);
    expect(await node.ids()).toEqual(["runtime-too-old", "plugin-shadowed"]);
    const found = await node.find({ migrate: true });
    expect(found.map(({ id }) => id)).toEqual([
      "plugin-shadowed",
      "migrate-cgroup-v1",
      "migrate-lookup",
      "migrate-relative-type",
      "migrate-switch-on-nri",
      "migrate-time-limit",
      "migrate-time-limit",
      "migrate-sandbox-timing",
      "migrate-serialised",
      "migrate-updates",
    ]);
    found.forEach(expectHarmless);
    expect(found.find(({ id }) => id === "migrate-lookup")?.what).toBe(
      "clearcfs is /usr/bin/clearcfs under containerd 1.6, and will be /opt/nri/bin/clearcfs",
    );
    expect(found.find(({ id }) => id === "migrate-switch-on-nri")?.fix).toContain("disable = false");
  });

  it("takes 1.6's own PATH for what 1.6 would have run", async () => {
    runContainerd(node, "1.6.20").process(100, "/usr/bin/containerd", [], ["PATH=/srv/bin"]);
    node.write("/srv/bin/labels", script, 0o755);
    const found = await node.find({ migrate: true });
    expect(found.find(({ id }) => id === "migrate-lookup")?.what).toContain("labels is /srv/bin/labels under");
  });

  it("does not ask for a switch that stands in config.toml already, as 1.7 reads it", async () => {
    runContainerd(node, "1.6.20");
    const found = await node.find({ migrate: true });
    expect(found.map(({ id }) => id)).not.toContain("migrate-switch-on-nri");
    expect(found.find(({ id }) => id === "migrate-serialised")?.why).toContain("with 1 plugin, a pod");
    for (const text of ["version = 2\n", nriToml("disable = true"), `${nriHeader}\n  disable = false\n`]) {
      node.write(configToml, text);
      expect(await node.ids({ migrate: true })).toContain("migrate-switch-on-nri");
    }
  });

  it("has nothing to say of plugins where there are none", async () => {
    node.write(confJson, "{}").remove(labels);
    expect(await node.ids({ migrate: true })).toEqual(["conf-empty"]);
  });
});
