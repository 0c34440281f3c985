// The native file of koffi, the optional FFI library: one for each architecture and C library.
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Puts the native file for this machine at `target`, or removes an old one. Gives whether there is one. */
export function placeKoffi(target) {
  const source = findKoffi();
  if (source === undefined) {
    rmSync(target, { force: true });
    return false;
  }
  if (existsSync(target) && readFileSync(target).equals(readFileSync(source))) return true;
  // A running bridge has the old file mapped: it must not change under it.
  const next = new URL(`${target.href}.${process.pid}`);
  copyFileSync(source, next);
  renameSync(next, target);
  return true;
}

function findKoffi() {
  // The package's folders are linux_<abi> for glibc and musl_<abi>.
  const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "linux";
  try {
    const fromKoffi = createRequire(createRequire(import.meta.url).resolve("koffi"));
    const folder = dirname(fromKoffi.resolve(`@koromix/koffi-${process.platform}-${process.arch}/package.json`));
    const abi = readdirSync(folder).find((name) => name.startsWith(`${libc}_`));
    const file = join(folder, abi ?? "", "koffi.node");
    return existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}
