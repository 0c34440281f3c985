import { randomUUID } from "node:crypto";
import { chmod, copyFile, mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { waitFor } from "./command.js";
import type { Daemon } from "./daemon.js";

/** One run of a legacy plugin, as the plugin itself saw it. */
export interface PluginRun {
  readonly plugin: string;
  /** The exact bytes of its stdin. */
  readonly request: Buffer;
  readonly stdout: string;
  /** Whether the process of the request existed while the plugin ran. */
  readonly processAlive: boolean;
}

const recorder = fileURLToPath(new URL("./plugins/recorder", import.meta.url));
const binDir = "/opt/nri/bin";

/** The plugins of the scenarios: one script under several names. */
export const recorders = ["recorder", "recorder2", "recorder3"] as const;

/** Puts the legacy plugins into a daemon's /opt/nri/bin. */
export async function installPlugins(daemon: Daemon): Promise<void> {
  for (const name of recorders) {
    const file = daemon.path(`${binDir}/${name}`);
    await copyFile(recorder, file);
    await chmod(file, 0o755);
  }
}

/** Starts a new, empty set of records, and sets what plugins answer: shell by plugin name (see plugins/recorder). */
export async function startRecords(
  daemon: Daemon,
  name: string,
  behaviour: Readonly<Record<string, string>> = {},
): Promise<string> {
  const directory = join(daemon.directory, "records", name);
  await mkdir(directory, { recursive: true });
  for (const plugin of recorders) {
    await writeFile(join(daemon.path(binDir), `${plugin}.behaviour`), behaviour[plugin] ?? ":");
  }
  await replaceFile(join(daemon.path(binDir), "recorder.dir"), `${directory}\n`);
  return directory;
}

/** Writes a file so that a reader sees the old or the new text, never a part. */
export async function replaceFile(path: string, text: string): Promise<void> {
  // Two at once must not take each other's.
  const fresh = `${path}.${randomUUID()}.new`;
  await writeFile(fresh, text);
  await rename(fresh, path);
}

/** The finished runs in the order in which they began. */
export async function readRecords(directory: string): Promise<PluginRun[]> {
  const numbers = (await readdir(directory)).map(Number).sort((a, b) => a - b);
  const runs: PluginRun[] = [];
  for (const number of numbers) {
    const record = join(directory, String(number));
    const files = await readdir(record);
    if (!files.includes("done")) continue;
    runs.push({
      plugin: await readFile(join(record, "plugin"), "utf8"),
      request: await readFile(join(record, "request")),
      stdout: await readFile(join(record, "stdout"), "utf8"),
      processAlive: files.includes("alive"),
    });
  }
  return runs;
}

/** Waits until at least so many runs have finished; goes on when that does not happen in time. */
export async function waitForRecords(directory: string, atLeast: number, timeoutMs = 5_000): Promise<void> {
  const enough = async () => ((await readRecords(directory)).length >= atLeast ? true : undefined);
  await waitFor("the plugin runs", timeoutMs, enough).catch(() => undefined);
}

/** What has run when so many runs have finished, and those that began meanwhile. */
export async function settleRecords(directory: string, atLeast: number): Promise<PluginRun[]> {
  await waitForRecords(directory, atLeast);
  // What comes too much comes late: a delete that was sent already, for example. A killed run never finishes.
  await sleep(60);
  await waitForRecords(directory, (await readdir(directory)).length, 500);
  return readRecords(directory);
}
