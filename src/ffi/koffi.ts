import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { isSea } from "node:sea";
import { fileURLToPath } from "node:url";

import { loadEmbedded } from "./embedded.js";

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
