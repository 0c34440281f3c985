import { basename, join } from "node:path";
import { isRegistered, startLogged } from "./bridge.js";
import { waitFor } from "./command.js";
import type { Daemon } from "./daemon.js";
import type { NamespaceProcess } from "./namespace.js";

/** Where the adapter's v0.1 client looks for its conf.json; its plugins are in /opt/nri/bin. */
export const adapterConfFile = "/etc/nri/conf.json";

/** Starts containerd's own v010-adapter beside a daemon, and waits until the runtime has it as a plugin. */
export async function startGoAdapter(daemon: Daemon, adapter: string): Promise<NamespaceProcess> {
  const since = daemon.log().length;
  const log = join(daemon.directory, "adapter.log");
  const started = await startLogged(daemon, log, adapter, ["-idx", "10"], { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" });
  const name = `10-${basename(adapter)}`;
  await waitFor("the Go adapter", 10_000, () => (isRegistered(daemon.log().slice(since), name) ? true : undefined));
  return started;
}
