import { execFileSync } from "node:child_process";
import { basename } from "node:path";
import { silentLog } from "../../../src/base/logger.js";
import { launchedSocket, resolveIdentity } from "../../../src/nri/identity.js";
import { PluginStub } from "../../../src/nri/stub.js";

/** A plugin as a runtime starts it: says what it was given as an annotation, and why it ended by its exit code. */
const identity = resolveIdentity({ environment: process.env, fileName: basename(process.argv[1] ?? "") });
const fd = launchedSocket(process.env);
if (fd === undefined) process.exit(2);
let config = "";
const stub = new PluginStub({
  identity,
  socket: { kind: "fd", fd },
  log: silentLog,
  reconnect: false,
  handlers: {
    configure: (request) => {
      config = request.config;
      return ["CreateContainer"];
    },
    handle: async () => ({
      update: [],
      adjust: {
        annotations: {
          identity: `${identity.index}-${identity.name}`,
          environment: Object.keys(process.env).sort().join(),
          config,
          arguments: String(process.argv.length - 2),
          // ls has the directory open itself, at the lowest free number: only a socket at 3 is the runtime's.
          inherited: String(
            execFileSync("/bin/ls", ["-l", "/proc/self/fd"], { encoding: "utf8" }).includes(" 3 -> socket:"),
          ),
        },
      },
    }),
  },
});
const end = await stub.run();
process.exit(end.kind === "lost" && end.phase === "ready" ? 5 : 1);
