import { cgroupV1 } from "./fake-node.js";
import { describeFaults } from "./faults.js";

const socket = "/run/nri/nri.sock";
const header = "Num RefCount Protocol Flags Type St Inode Path\n";

describeFaults("the socket", {
  "socket-path-differs": [
    {
      options: { flags: { socketPath: "/run/other/nri.sock" } },
      mend: { options: { flags: { socketPath: socket } } },
      fixSays:
        "in /etc/nri-v01-bridge/config.yaml set socketPath: /var/run/nri/nri.sock; then systemctl restart nri-v01-bridge",
    },
  ],
  "socket-missing": [{ make: (node) => node.remove(socket), mend: (node) => node.listen() }],
  "socket-not-a-socket": [
    {
      // What Docker makes for a bind mount whose source is not there yet.
      make: (node) => node.remove(socket).write(`${socket}/.keep`, ""),
      mend: (node) => node.remove(socket).listen(),
      fixSays: `mv -n /var${socket} /var${socket}.old # then systemctl restart containerd`,
    },
  ],
  "socket-dead": [{ make: (node) => node.write("/proc/self/net/unix", header), mend: (node) => node.listen() }],
  "socket-stale": [
    {
      // The bridge still has the old file at its place; the runtime has a new one behind its own root.
      make: async (node) => {
        node.move(socket, "/old.sock");
        await node.listen(socket);
        node.remove("/var/run").move("/old.sock", "/var/run/nri/nri.sock");
      },
      mend: (node) => node.link("/var/run", "/run"),
    },
  ],
  "socket-mounted": [
    {
      make: (node) =>
        node.write("/proc/self/mountinfo", `${cgroupV1}99 20 0:9 /nri.sock ${socket} rw - tmpfs tmpfs rw\n`),
      mend: (node) => node.write("/proc/self/mountinfo", `${cgroupV1}99 20 0:9 / /run/nri rw - tmpfs tmpfs rw\n`),
    },
  ],
});
