import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, renameSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { findConfigPermissionFault, findPermissionFault } from "../src/base/permissions.js";
import { createDirectory, installFile } from "./plugin/plugin-directory.js";

function createPlugin() {
  const directory = join(createDirectory(), "bin");
  mkdirSync(directory, 0o755);
  return installFile(directory, "plugin", "#!/bin/sh\n");
}

describe("findPermissionFault", () => {
  it("has none for a file that only its owner and root can change", () => {
    expect(findPermissionFault(createPlugin())).toBeNull();
    expect(findPermissionFault("/bin/sh")).toBeNull();
  });

  it.each<[string, (path: string) => string, number, string]>([
    ["the file", (path) => path, 0o775, "group"],
    ["the file", (path) => path, 0o757, "everybody"],
    ["the file", (path) => path, 0o777, "everybody"],
    ["its directory", dirname, 0o775, "group"],
    ["its directory", dirname, 0o777, "everybody"],
    ["its directory", dirname, 0o1777, "everybody"],
    ["a directory above", (path) => dirname(dirname(path)), 0o777, "everybody"],
  ])("refuses %s of mode %3$o", (_, place, mode, who) => {
    const path = createPlugin();
    chmodSync(place(path), mode);
    const fault = findPermissionFault(path);
    expect(fault).toContain(`${place(path)}: mode ${mode.toString(8).padStart(4, "0")} lets ${who}`);
    expect(fault).toContain("permissions: trust");
  });

  it("trusts a directory above with the sticky bit", () => {
    const path = createPlugin();
    chmodSync(dirname(dirname(path)), 0o1777);
    expect(findPermissionFault(path)).toBeNull();
  });

  it("looks at both ends of a link, and at the directory that holds it", () => {
    const path = createPlugin();
    const links = createDirectory();
    const link = join(links, "link");
    symlinkSync(path, link);
    expect(findPermissionFault(link)).toBeNull();
    chmodSync(links, 0o777);
    expect(findPermissionFault(link)).toContain(`${links}: mode`);
    chmodSync(links, 0o755);
    chmodSync(dirname(path), 0o777);
    expect(findPermissionFault(link)).toContain(`${dirname(path)}: mode`);
  });

  it("follows relative links and gives up on a loop", () => {
    const path = createPlugin();
    const directory = dirname(path);
    symlinkSync("../bin/./plugin", join(directory, "relative"));
    expect(findPermissionFault(join(directory, "relative"))).toBeNull();
    symlinkSync("loop", join(directory, "loop"));
    expect(findPermissionFault(join(directory, "loop"))).toContain("too many symbolic links");
  });

  it.each([
    [(path: string) => `/proc/self/root${path}`],
    [(path: string) => `/proc/${process.pid}/root${path}`],
    [
      (path: string) => {
        symlinkSync(`/proc/1/root${path}`, `${path}.link`);
        return `${path}.link`;
      },
    ],
  ])("refuses a way through /proc, where paths are another process's", (through) => {
    expect(findPermissionFault(through(createPlugin()))).toMatch(/^\/proc: a proc file system/);
  });

  it("says so when the file is not there", () => {
    expect(findPermissionFault("/no/such/plugin")).toContain("cannot be read");
  });

  it.runIf(process.geteuid?.() === 0)("refuses what belongs to another user, also a link", () => {
    const path = createPlugin();
    chownSync(path, 12345, 0);
    expect(findPermissionFault(path)).toContain("belongs to user 12345");
    expect(findPermissionFault(path, { ownUid: 12345 })).toBeNull();
    chownSync(path, 0, 0);
    chownSync(dirname(path), 12345, 0);
    expect(findPermissionFault(path)).toContain(`${dirname(path)}: it belongs to user 12345`);
  });
});

describe("findConfigPermissionFault", () => {
  it("refuses what findPermissionFault does", () => {
    const path = createPlugin();
    expect(findConfigPermissionFault(path)).toBeNull();
    chmodSync(path, 0o666);
    expect(findConfigPermissionFault(path)).toBe(findPermissionFault(path));
  });

  it("has none for the volume of a ConfigMap, which is read-only here, and for that alone", ({ skip }) => {
    const volume = join(createDirectory(), "volume");
    mkdirSync(volume);
    try {
      execFileSync("mount", ["-t", "tmpfs", "tmpfs", volume], { stdio: "pipe" });
    } catch (error) {
      skip(`no mount here: ${error}`);
    }
    onTestFinished(() => void execFileSync("umount", ["-l", volume]));
    const mount = (how: string) => execFileSync("mount", ["-o", `remount,${how}`, volume]);
    // As the kubelet makes it: a directory of this time, a link to it, and one for each key.
    mkdirSync(join(volume, "..2026"), 0o755);
    installFile(join(volume, "..2026"), "conf.json", "{}", 0o644);
    symlinkSync("..2026", join(volume, "..data"));
    const path = join(volume, "conf.json");
    symlinkSync("..data/conf.json", path);
    chmodSync(volume, 0o777);
    const fault = `${volume}: mode 0777 lets everybody write it`;
    expect(findConfigPermissionFault(path)).toContain(fault);
    mount("ro");
    expect(findConfigPermissionFault(path)).toBeNull();
    // A plugin there, as in an emptyDir.
    expect(findPermissionFault(path)).toContain(fault);
    mount("rw");
    renameSync(join(volume, "..data"), join(volume, "data"));
    symlinkSync("data/conf.json", join(volume, "other.json"));
    mount("ro");
    expect(findConfigPermissionFault(join(volume, "other.json"))).toContain(fault);
  });
});
