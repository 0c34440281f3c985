import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getAsset } from "node:sea";

/** Where a file may be written to be loaded from; any of these can be mounted noexec or read-only. */
const places = [tmpdir(), "/var/lib/nri-v01-bridge", "/dev/shm"];

/**
 * Loads a native library that the single executable carries. The system loads libraries from files only: it is written
 * where nobody but us can get at it, and removed as soon as it is loaded.
 *
 * @throws Error when there is none, or no place to load it from
 */
export function loadEmbedded(name: string, load: (path: string) => unknown): unknown {
  const bytes = new Uint8Array(getAsset(name));
  let reason: unknown;
  for (const place of places) {
    let folder: string | undefined;
    try {
      // Made with mode 0700 under a name that nobody knows before.
      folder = mkdtempSync(join(place, "nri-v01-bridge-native-"));
      const file = join(folder, name);
      writeFileSync(file, bytes, { mode: 0o500 });
      return load(file);
    } catch (error) {
      reason = error;
    } finally {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }
  }
  throw reason;
}
