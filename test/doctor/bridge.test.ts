import { runContainerd } from "./fake-node.js";
import { describeFaults, ownRoot } from "./faults.js";

describeFaults("the bridge itself", {
  "bridge-config-fault": [
    {
      options: { config: "confFle: /x\n" },
      mend: { options: { config: "confFile: /etc/nri/conf.json\n" } },
      says: 'unknown key "confFle"; did you mean "confFile"?',
    },
    { options: { config: "timeoutMs: soon\n" }, mend: { options: { config: "timeoutMs: 500\n" } } },
  ],
  "bridge-config-permissions": [
    {
      make: (node) => node.write("/etc/bridge.yaml", "").chmod("/etc/bridge.yaml", 0o666),
      mend: "its fix",
      says: "/etc/bridge.yaml: mode 0666 lets everybody write it",
    },
  ],
  "bridge-settings-unused": [
    {
      options: { config: "plugins: {lables: {timeoutMs: 10}}\n" },
      mend: { options: { config: "plugins: {labels: {timeoutMs: 10}}\n" } },
      says: "has settings for lables",
    },
  ],
  "sandboxes-unserved": [
    {
      options: { config: "sandboxes: never\n" },
      mend: { options: { config: "sandboxes: auto\n" } },
      says: "containerd 1.7.24 runs no v0.1 plugins itself",
    },
  ],
  "sandboxes-twice": [
    {
      make: (node) => runContainerd(node, "2.2.7"),
      options: { config: "sandboxes: always\n" },
      mend: { options: { config: "sandboxes: never\n" } },
    },
  ],
  "sandboxes-native": [
    {
      make: (node) => runContainerd(node, "2.2.7"),
      mend: (node) => runContainerd(node, "1.7.24"),
      fixSays:
        "nothing; if the bridge is to serve sandboxes too, on a drained node move /etc/nri/conf.json to /etc/nri/v01-bridge.json",
    },
    {
      // Refusals of the bridge's own would keep it from starting again.
      make: (node) => runContainerd(node, "2.1.9"),
      mend: (node) => runContainerd(node, "1.7.24"),
      fixSays: "nothing: for the bridge to serve sandboxes too, first go to containerd 2.2.6 or 2.3.3, or later",
    },
    {
      make: (node) => runContainerd(node, "1.7.24", ["ENABLE_CRI_SANDBOXES=1"]),
      mend: (node) => runContainerd(node, "1.7.24"),
    },
  ],
  "sandboxes-unsure": [
    {
      make: (node) => runContainerd(node, "2.2.7").remove("/proc/100/root"),
      mend: { options: { config: "sandboxes: never\n" } },
    },
  ],
  "sandbox-failure-untold": [
    {
      make: (node) => ownRoot(runContainerd(node, "2.1.9~ds1")),
      mend: (node) => ownRoot(runContainerd(node, "2.2.6")),
      says: "containerd 2.1.9~ds1 is not told that the create of a pod sandbox failed (labels)",
      fixSays: "go to containerd 2.2.6 or 2.3.3, or later",
    },
    {
      make: (node) => ownRoot(runContainerd(node, "2.3.2")),
      mend: { options: { config: "onFailure: {create: ignore}\n" } },
    },
    {
      make: (node) => ownRoot(runContainerd(node, "2.3.2")),
      mend: (node) => ownRoot(runContainerd(node, "2.3.3")),
    },
  ],
  "node-too-old": [
    { options: { self: { nodeVersion: "18.20.4" } }, mend: { options: { self: { nodeVersion: "22.1.0" } } } },
    { options: { self: { nodeVersion: "20.18.3" } }, mend: { options: {} } },
  ],
  "not-root": [{ options: { self: { uid: 1000 } }, mend: { options: {} } }],
  "state-not-writable": [
    {
      make: (node) => node.write("/var/lib/nri-v01-bridge", "a file"),
      mend: (node) => node.remove("/var/lib/nri-v01-bridge"),
      fixSays: "make /var/lib/nri-v01-bridge a directory that is the bridge's alone",
    },
  ],
});
