import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A path for a unix socket in a directory of its own, removed after the test. */
export async function socketPath(name = "nri.sock"): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "nri-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return join(directory, name);
}
