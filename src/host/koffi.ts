import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getAsset, isSea } from "node:sea";
import { fileURLToPath } from "node:url";

/** A function of a C library. What goes in and comes out is as its declaration says; only `libc.ts` calls one. */
export type NativeFunction = (...args: readonly unknown[]) => unknown;

/** A descriptor that the event loop watches. After `close` it must not be touched: koffi does not check. */
export interface PollHandle {
  ref(): void;
  unref(): void;
  close(): void;
}

/** What we use of koffi, the FFI library. */
export interface Koffi {
  load(path: null): { func(declaration: string): NativeFunction };
  errno(): number;
  readonly node: {
    /** compat: koffi calls back outside of Node's callback scope: promises that it settles are not acted upon by it. */
    poll(descriptor: number, events: { readonly readable: boolean }, onReady: () => void): PollHandle;
  };
}

export interface LoadedKoffi {
  readonly koffi: Koffi;
  /** The file or package that it came from: what a benchmark names. */
  readonly artefact: string;
}

/**
 * Loads koffi: the native file that the single executable carries, the one beside the bundle, or the optional dependency of
 * the npm package. The native file is the whole library; the package's JavaScript only finds it.
 *
 * @throws Error when there is none, or none for this machine
 */
export function loadKoffi(base: string = import.meta.url): LoadedKoffi {
  const require = createRequire(base);
  if (isSea())
    return { koffi: asKoffi(loadEmbedded("koffi.node", require), "koffi.node"), artefact: "embedded koffi.node" };
  const beside = fileURLToPath(new URL("./koffi.node", base));
  const artefact = existsSync(beside) ? beside : "koffi";
  const koffi = asKoffi(require(artefact), artefact);
  return { koffi, artefact: artefact === "koffi" ? require.resolve("koffi") : beside };
}

function asKoffi(loaded: unknown, from: string): Koffi {
  if (!isKoffi(loaded)) throw new Error(`${from} is not the koffi that we know`);
  return loaded;
}

function isKoffi(value: unknown): value is Koffi {
  return (
    isObject(value) &&
    "node" in value &&
    hasFunction(value, "load") &&
    hasFunction(value, "errno") &&
    hasFunction(value.node, "poll")
  );
}

function hasFunction<Name extends string>(value: unknown, name: Name): boolean {
  return isObject(value) && typeof Reflect.get(value, name) === "function";
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Where a file may be written to be loaded from; any of these can be mounted noexec or read-only. */
const places = [tmpdir(), "/var/lib/nri-v01-bridge", "/dev/shm"];

/**
 * Loads a native library that the single executable carries. The system loads libraries from files only: it is written
 * where nobody but us can get at it, and removed as soon as it is loaded.
 *
 * @throws Error when there is none, or no place to load it from
 */
function loadEmbedded(name: string, load: (path: string) => unknown): unknown {
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
