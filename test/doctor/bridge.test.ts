import { runContainerd } from "./fake-node.js";
import { describeFaults } from "./faults.js";

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
      make: (node) => runContainerd(node, "2.1.9"),
      options: { config: "sandboxes: always\n" },
      mend: { options: { config: "sandboxes: never\n" } },
    },
  ],
  "sandboxes-native": [
    { make: (node) => runContainerd(node, "2.1.9"), mend: (node) => runContainerd(node, "1.7.24") },
    {
      make: (node) => runContainerd(node, "1.7.24", ["ENABLE_CRI_SANDBOXES=1"]),
      mend: (node) => runContainerd(node, "1.7.24"),
    },
  ],
  "sandboxes-unsure": [
    {
      make: (node) => runContainerd(node, "2.1.9").remove("/proc/100/root"),
      mend: { options: { config: "sandboxes: never\n" } },
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
    },
  ],
});
