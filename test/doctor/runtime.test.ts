import { runContainerd, runCrio } from "./fake-node.js";
import { configToml, describeFaults, nriToml } from "./faults.js";

const ignoring = { config: "onFailure: {create: ignore}\n" };

describeFaults("the runtime", {
  "runtime-missing": [
    {
      make: (node) => node.remove("/proc/100").remove("/usr/bin/containerd"),
      mend: (node) => runContainerd(node, "1.7.24"),
    },
  ],
  "runtime-out-of-sight": [
    { make: (node) => node.remove("/proc/100"), mend: (node) => runContainerd(node, "1.7.24"), where: "/proc" },
  ],
  "runtime-stopped": [
    {
      make: (node) => node.remove("/proc/100").remove("/run/nri/nri.sock"),
      mend: async (node) => runContainerd(await node.listen(), "1.7.24"),
    },
  ],
  "runtime-version-unknown": [
    {
      make: (node) =>
        node.write("/usr/bin/containerd", "#!/bin/sh\nexit 1\n", 0o755).write(configToml, nriToml("disable = false")),
      mend: (node) => runContainerd(node, "1.7.24"),
    },
  ],
  "runtime-too-old": [
    {
      make: (node) => runContainerd(node, "1.6.20~ds1"),
      mend: (node) => runContainerd(node, "1.7.24~ds1"),
      says: "containerd 1.6.20~ds1 does not speak NRI v2",
    },
    {
      make: (node) => runCrio(node, "1.25.3"),
      options: ignoring,
      mend: (node) => runCrio(node, "1.26.2").write("/etc/crio/crio.conf", "[crio.nri]\nenable_nri = true\n"),
    },
  ],
  "runtime-restart-pending": [
    {
      make: (node) => node.link("/proc/100/exe", "/usr/bin/containerd (deleted)"),
      options: { askVersion: (path) => `containerd x ${path.endsWith("/exe") ? "1.7.24" : "1.7.30"} y\n` },
      mend: (node) => node.link("/proc/100/exe", "/usr/bin/containerd"),
      says: "containerd 1.7.24 runs, and 1.7.30 is installed",
    },
  ],
});
