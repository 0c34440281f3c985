import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * A CNI plugin that says it gave the pod an address and does nothing: pods with a network namespace of their own need
 * an answer, and no packet is sent in the scenarios.
 */
const plugin = `#!/bin/sh
cat >/dev/null
case $CNI_COMMAND in
VERSION) echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}' ;;
ADD) printf '{"cniVersion":"0.4.0","interfaces":[{"name":"%s","sandbox":"%s"}],"ips":[{"version":"4","interface":0,"address":"10.88.0.2/24"}]}' "$CNI_IFNAME" "$CNI_NETNS" ;;
esac
`;

/** Installs the plugin and the network that names it. The runtimes call `loopback` themselves. */
export async function installCni(binDir: string, confDir: string): Promise<void> {
  await mkdir(binDir, { recursive: true });
  await mkdir(confDir, { recursive: true });
  for (const name of ["testbed", "loopback"]) {
    await writeFile(join(binDir, name), plugin);
    await chmod(join(binDir, name), 0o755);
  }
  const network = { cniVersion: "0.4.0", name: "testbed", plugins: [{ type: "testbed" }] };
  await writeFile(join(confDir, "10-testbed.conflist"), JSON.stringify(network));
}
