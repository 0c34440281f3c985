import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";

import { createPermissionCheck, findConfigPermissionFault, findPermissionFault } from "../../src/plugin/permissions.js";
import { createDirectory, installFile } from "./plugin-directory.js";

function createPlugin() {
  const directory = join(createDirectory(), "bin");
  mkdirSync(directory, 0o755);
  return installFile(directory, "plugin", "#!/bin/sh\n");
}

describe("the check of one chain", () => {
  it("says what findPermissionFault says, of each file", () => {
    const [good, bad] = [createPlugin(), createPlugin()];
    chmodSync(bad, 0o777);
    const check = createPermissionCheck();
    expect([good, bad, good].map(check)).toEqual([null, findPermissionFault(bad), null]);
  });

  it("looks once on the way to files of one directory, and anew for the next chain", () => {
    const path = createPlugin();
    const other = installFile(dirname(path), "other", "#!/bin/sh\n");
    const check = createPermissionCheck();
    expect(check(path)).toBeNull();
    chmodSync(dirname(path), 0o777);
    expect(check(other)).toBeNull();
    expect(createPermissionCheck()(other)).toContain(`${dirname(path)}: mode`);
  });
});

describe("findPermissionFault", () => {
  it("has none for a file that only its owner and root can change", () => {
    expect(findPermissionFault(createPlugin())).toBeNull();
    expect(findPermissionFault("/bin/sh")).toBeNull();
  });

  it.each([
    [0o775, "group"],
    [0o757, "everybody"],
    [0o777, "everybody"],
  ])("refuses a file of mode %o", (mode, who) => {
    const path = createPlugin();
    chmodSync(path, mode);
    const fault = findPermissionFault(path);
    expect(fault).toContain(`${path}: mode 0${mode.toString(8)} lets ${who}`);
    expect(fault).toContain("permissions: trust");
  });

  it.each([0o775, 0o777, 0o1777])("refuses a directory of mode %o", (mode) => {
    const path = createPlugin();
    chmodSync(dirname(path), mode);
    expect(findPermissionFault(path)).toContain(`${dirname(path)}: mode`);
  });

  it("refuses a directory further up, but for one with the sticky bit", () => {
    const path = createPlugin();
    const above = dirname(dirname(path));
    chmodSync(above, 0o777);
    expect(findPermissionFault(path)).toContain(`${above}: mode`);
    chmodSync(above, 0o1777);
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

  it("says so when the file is not there", () => {
    expect(findPermissionFault("/no/such/plugin")).toContain("cannot be read");
  });

  it.runIf(process.geteuid?.() === 0)("refuses what belongs to another user, also a link", () => {
    const path = createPlugin();
    chownSync(path, 12345, 0);
    expect(findPermissionFault(path)).toContain("belongs to user 12345");
    expect(findPermissionFault(path, 12345)).toBeNull();
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

  it("has none for a volume that is read-only here, as a ConfigMap is, whatever its mode", ({ skip }) => {
    const volume = join(createDirectory(), "volume");
    mkdirSync(volume);
    try {
      execFileSync("mount", ["-t", "tmpfs", "tmpfs", volume], { stdio: "pipe" });
    } catch (error) {
      skip(`no mount here: ${error}`);
    }
    onTestFinished(() => void execFileSync("umount", ["-l", volume]));
    const path = installFile(volume, "config.yaml", "");
    chmodSync(volume, 0o777);
    expect(findConfigPermissionFault(path)).toContain(`${volume}: mode 0777 lets everybody write it`);
    execFileSync("mount", ["-o", "remount,ro", volume]);
    expect(findPermissionFault(path)).not.toBeNull();
    expect(findConfigPermissionFault(path)).toBeNull();
  });
});
