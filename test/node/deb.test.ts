import { readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { root } from "../deploy/support.js";
import * as bridge from "./bridge.js";
import { mainPid, node, noted, startPod } from "./bridge.js";

const name = readdirSync(join(root, "dist")).find((file) => file.endsWith(".deb")) ?? "no .deb: npm run build:deb";

describe("the Debian package", () => {
  bridge.beforeFirst(async () => {
    await bridge.prepare();
    await node.put("/root/main", `dist/${name}`);
    // The same with a later version.
    await node.run(`cd /root/main/dist && rm -rf next && dpkg-deb -R ${name} next && sed -i '/^Version:/s/$/+next/' next/DEBIAN/control &&
      dpkg-deb -Znone -b next next.deb && rm -r next && apt-get install -y ./${name}`);
    await bridge.serves();
  });
  beforeEach(bridge.empty);

  it("installed: the service is enabled and serves, with plugins for a pod's whole life", async () => {
    expect(await node.run("systemctl is-enabled nri-v01-bridge; command -v nri-v01-bridge")).toBe(
      "enabled\n/usr/bin/nri-v01-bridge",
    );
    const { notes } = await startPod();
    await node.removeAllPods();
    expect(await noted()).toEqual([...notes.create, ...notes.delete]);
    await node.run("dpkg --verify nri-v01-bridge");
  });

  it("upgraded while pods run: the new bridge gives them their deletes, and what a plugin left running lives on", async () => {
    await node.run("echo '# of the administrator' >>/etc/nri-v01-bridge/config.yaml");
    await node.write("/etc/noter", '[ "$state" = create ] && { setsid sleep 500000 </dev/null >/dev/null 2>&1 & }');
    const { notes } = await startPod();
    const [pid, left] = [await mainPid(), await node.run("pgrep -f 'sleep 50000[0]'")];
    await node.run("dpkg -i /root/main/dist/next.deb </dev/null");
    await bridge.servesAnew(pid);
    await node.run("dpkg -s nri-v01-bridge | grep -q '^Version: .*+next$'");
    expect(await node.run("pgrep -f 'sleep 50000[0]'")).toBe(left);
    await node.run(
      "rm /etc/noter; pkill -f 'sleep 50000[0]'; grep -q '# of the admin' /etc/nri-v01-bridge/config.yaml",
    );
    await node.removeAllPods();
    expect(await noted()).toEqual([...notes.create, ...notes.delete]);
  });

  it("removed: the service is gone, its configuration and journal stay; purged: nothing is left", async () => {
    await node.run("dpkg --remove nri-v01-bridge");
    expect((await node.try("systemctl is-active nri-v01-bridge")).stdout).toBe("inactive");
    expect(await node.run("! pgrep -x nri-v01-bridge; ls /etc/nri-v01-bridge")).toBe("config.yaml");
    await node.run("[ -d /var/lib/nri-v01-bridge ] && dpkg --purge nri-v01-bridge");
    const left =
      "ls -d /etc/nri-v01-bridge /var/lib/nri-v01-bridge /usr/bin/nri-v01-bridge /etc/systemd/system/*/nri-v01*";
    expect((await node.try(`${left} 2>/dev/null`)).stdout).toBe("");
    // It fails where it lists nothing.
    expect((await node.try("systemctl list-unit-files -q 'nri-v01*'")).stdout).toBe("");
  });
});
