import { cgroupV1, cgroupV2, runCrio } from "./fake-node.js";
import {
  clearcfs,
  configToml,
  confJson,
  describeFaults,
  elf,
  labels,
  listed,
  nriHeader,
  nriToml,
  script,
} from "./faults.js";

const both = "#!/bin/sh\n[ -e cpu.max ] && echo max > cpu.max || echo -1 > cpu.cfs_quota_us\n";
// memory.max_usage_in_bytes is v1's, though memory.max is v2's.
const goText = Buffer.from("memory.limit_in_bytesmemory.max_usage_in_bytes");

describeFaults("cgroups and time", {
  "plugin-cgroup-v1-only": [
    {
      make: (node) => node.write(labels, clearcfs, 0o755).write("/proc/self/mountinfo", cgroupV2),
      mend: (node) => node.write("/proc/self/mountinfo", cgroupV1),
      says: "labels writes to cgroup v1 (cpu.cfs_quota_us, cgroup/cpu/)",
    },
    {
      make: (node) =>
        node.write(labels, Buffer.concat([elf(62), goText]), 0o755).write("/proc/self/mountinfo", cgroupV2),
      mend: (node) => node.write(labels, elf(62), 0o755),
      where: labels,
    },
    {
      make: (node) => node.write(labels, clearcfs, 0o755).write("/proc/self/mountinfo", cgroupV2),
      mend: { options: { config: "phase: create\n" } },
    },
    {
      make: (node) => node.write(labels, clearcfs, 0o755).write("/proc/self/mountinfo", cgroupV2),
      options: { config: "plugins:\n  labels:\n    async: false\n" },
      mend: (node) => node.write("/etc/bridge.yaml", "plugins: {labels: {cgroup: capture}}\n"),
      fixSays: "bridge.yaml:2 set plugins: {labels: {cgroup: capture}}; then systemctl reload nri-v01-bridge (",
    },
    {
      // Where no view can be made, each create would fail with it.
      make: (node) => node.write(labels, clearcfs, 0o755).write("/proc/self/mountinfo", cgroupV2),
      options: { capture: { ok: false, reason: "the bridge lacks it", remedy: "be root; or set cgroup: host" } },
      mend: (node) => node.write("/proc/self/mountinfo", cgroupV1),
      fixSays: "first be root; then in /etc/nri-v01-bridge/config.yaml set plugins: {labels: {cgroup: capture}}",
    },
  ],
  "plugin-cgroup-v1-and-v2": [
    {
      make: (node) => node.write(labels, both, 0o755).write("/proc/self/mountinfo", cgroupV2),
      mend: (node) => node.write(labels, script, 0o755),
    },
  ],
  "capture-impossible": [
    {
      options: { config: "phase: create\n", capture: { ok: false, reason: "the bridge lacks it", remedy: "be root" } },
      mend: { options: { config: "phase: create\n" } },
      says: "no captured cgroup view can be made for labels: the bridge lacks it",
    },
  ],
  "timeouts-exceed-call": [
    {
      make: (node) => node.write(confJson, listed("labels", "other")).write("/opt/nri/bin/other", script, 0o755),
      options: { config: "timeoutMs: 1500\n" },
      mend: (node) => node.write(configToml, nriToml("disable = false", 'plugin_request_timeout = "4s"')),
      fixSays: `in ${configToml}:3 set plugin_request_timeout = "4s" under ${nriHeader}`,
      says: "may take 3000 ms together (timeoutMs of labels, other), and a chain has 1700 ms",
    },
  ],
  "request-timeout-short": [
    {
      make: (node) => node.write(configToml, nriToml("disable = false", 'plugin_request_timeout = "600ms"')),
      mend: (node) => node.write(configToml, nriToml("disable = false", 'plugin_request_timeout = "2s"')),
      where: `${configToml}:4`,
      fixSays: `in ${configToml}:4 set plugin_request_timeout = "2s" under ${nriHeader}`,
    },
  ],
  "crio-starts-all-the-same": [
    {
      make: (node) => runCrio(node, "1.34.1"),
      mend: { options: { config: "phase: create\n" } },
      fixSays:
        "for a plugin that can do without a pid, which there is none of then: in /etc/nri-v01-bridge/config.yaml set phase: create",
    },
    {
      make: (node) =>
        runCrio(node, "1.34.1").write(confJson, listed("labels", "other")).write("/opt/nri/bin/other", script, 0o755),
      options: { config: "onFailure: {create: ignore}\nplugins: {other: {onFailure: {create: fail}}}\n" },
      mend: { options: { config: "onFailure: {create: ignore}\nplugins: {other: {phase: create}}\n" } },
      says: "although the create of other failed",
    },
  ],
});
