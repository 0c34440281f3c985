import { type FakeNode, ownRoot, runContainerd } from "../fake-node.js";
import { clearcfs, configToml, type Faults, labels, nriHeader, nriToml, script } from "../faults.js";

const containerd =
  (version: string, ...environment: string[]) =>
  (node: FakeNode) =>
    runContainerd(node, version, environment);
const apart = (version: string) => (node: FakeNode) => ownRoot(runContainerd(node, version));
const never = { options: { config: "sandboxes: never\n" } };
const auto = { options: { config: "sandboxes: auto\n" } };

export const nodeFaults: Faults = {
  "sandbox-failure-untold": [
    {
      make: apart("2.1.9~ds1"),
      mend: apart("2.2.6"),
      says: "containerd 2.1.9~ds1 is not told that the create of a pod sandbox failed (labels)",
      fixSays: "go to containerd 2.2.6 or 2.3.3, or later",
    },
    { make: apart("2.3.2"), mend: { options: { config: "onFailure: {create: ignore}\n" } } },
    { make: apart("2.3.2"), mend: apart("2.3.3") },
  ],
  "sandboxes-unserved": [
    { ...never, mend: auto, says: "the runtime runs no v0.1 plugins for this sandbox itself" },
    {
      // Its own controller is not the default handler's.
      make: (node) =>
        containerd("2.2.7")(node).write(
          configToml,
          'version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]\nsandboxer = "shim"\n',
        ),
      ...never,
      mend: auto,
    },
  ],
  "sandboxes-twice": [
    { make: containerd("2.2.7"), options: { config: "sandboxes: always\n" }, mend: never },
    { make: containerd("1.7.24", "ENABLE_CRI_SANDBOXES=1"), options: { config: "sandboxes: always\n" }, mend: auto },
  ],
  "not-root": [{ options: { self: { uid: 1000 } }, mend: { options: {} } }],
  "state-not-writable": [
    {
      make: (node) => node.write("/var/lib/nri-v01-bridge", "a file"),
      mend: { options: { config: "state: memory\n" } },
      fixSays: "make /var/lib/nri-v01-bridge a directory that is the bridge's alone",
    },
  ],
};

const migrate = { options: { migrate: true } };

/** What an upgrade from 1.6 changes. */
export const migrateFaults: Faults = {
  "migrate-cgroup-v1": [
    {
      ...migrate,
      make: (node) => node.write(labels, clearcfs, 0o755),
      mend: (node) => node.write(labels, script, 0o755),
      fixSays: "on the new node in /etc/nri-v01-bridge/config.yaml set plugins: {labels: {cgroup: capture}}",
    },
  ],
  "migrate-lookup": [
    {
      // 1.6's own PATH says what 1.6 runs.
      ...migrate,
      make: (node) =>
        node.process(100, "/usr/bin/containerd", [], ["PATH=/srv/bin"]).write("/srv/bin/labels", script, 0o755),
      mend: (node) => node.remove("/srv/bin"),
      says: "labels is /srv/bin/labels under containerd 1.6, and will be /opt/nri/bin/labels",
    },
  ],
  "migrate-switch-on-nri": ["version = 2\n", nriToml("disable = true"), `${nriHeader}\n  disable = false\n`].map(
    (text) => ({
      // 1.6 ignores the section: it may stand there before the upgrade.
      ...migrate,
      make: (node) => runContainerd(node, "1.6.20~ds1").write(configToml, text),
      mend: (node) => node.write(configToml, nriToml("disable = false")),
      fixSays: "disable = false",
    }),
  ),
};
