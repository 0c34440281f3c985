import { testImage } from "./images.js";
import type { RuntimePackage } from "./packages.js";

/** The paths of one daemon. */
export interface DaemonPaths {
  readonly root: string;
  readonly state: string;
  readonly criSocket: string;
  readonly cniBinDir: string;
  readonly cniConfDir: string;
}

/** The handler whose runtime lets all annotations of pods and containers through to the OCI spec. */
export const passHandler = "runc-pass";

/** A daemon's config.toml. All versions read the second format; 2.x turns it into its own. */
export function formatContainerdConfig(
  runtime: RuntimePackage,
  paths: DaemonPaths,
  requestTimeout = "2s",
  requiredPlugins: readonly string[] = [],
): string {
  const cri = "io.containerd.grpc.v1.cri";
  const runc = (handler: string, more: string) => `
[plugins."${cri}".containerd.runtimes.${handler}]
  runtime_type = "io.containerd.runc.v2"
${more}
[plugins."${cri}".containerd.runtimes.${handler}.options]
  BinaryName = "${runtime.runc}"
  SystemdCgroup = false
`;
  return `
version = 2
root = "${paths.root}"
state = "${paths.state}"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]

[grpc]
  address = "${paths.criSocket}"
[ttrpc]
  address = "${paths.criSocket}.ttrpc"
[debug]
  level = "info"

[plugins."${cri}"]
  sandbox_image = "${testImage}"
  # Without CAP_SYS_RESOURCE, as in many virtual machines and containers, runc could not write oom_score_adj.
  restrict_oom_score_adj = true
  disable_hugetlb_controller = false
[plugins."${cri}".cni]
  bin_dir = "${paths.cniBinDir}"
  conf_dir = "${paths.cniConfDir}"
[plugins."${cri}".containerd]
  snapshotter = "native"
  default_runtime_name = "runc"
${runc("runc", "")}${runc(passHandler, '  pod_annotations = ["*"]\n  container_annotations = ["*"]')}
${runtime.name === "native" ? "" : formatNri(requestTimeout)}${requiredPlugins.length === 0 ? "" : formatValidator(requiredPlugins)}`;
}

/** @param requestTimeout as Go writes durations */
function formatNri(requestTimeout: string): string {
  return `[plugins."io.containerd.nri.v1.nri"]
  disable = false
  disable_connections = false
  plugin_path = "/opt/nri/plugins"
  plugin_config_path = "/etc/nri/conf.d"
  plugin_registration_timeout = "5s"
  plugin_request_timeout = "${requestTimeout}"
  socket_path = "/var/run/nri/nri.sock"
`;
}

/** NRI's default validator, as docs/MIGRATION.md has it; containerd 2.2 and later know it. */
function formatValidator(requiredPlugins: readonly string[]): string {
  return `[plugins."io.containerd.nri.v1.nri".default_validator]
  enable = true
  required_plugins = ${JSON.stringify(requiredPlugins)}
  tolerate_missing_plugins_annotation = "tolerate-missing-plugins.nri-v01-bridge"
`;
}
