import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  lchownSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  findConfigPermissionFault,
  findPermissionFault,
  PassedWalks,
  type PermissionWalk,
} from "../../src/base/permissions.js";
import { findExecutableFault } from "../../src/plugin/permissions.js";
import { createDirectory, installFile } from "./plugin-directory.js";

/** Directories of a test, by name, and the texts of files in them: `DIR/` in a text is their place. */
function createPlaces(files: Readonly<Record<string, string>>) {
  const root = createDirectory();
  const place = (name: string) => join(root, name);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(name.endsWith("/") ? place(name) : dirname(place(name)), { recursive: true, mode: 0o755 });
    if (!name.endsWith("/")) installFile(dirname(place(name)), name.replace(/.*\//, ""), text.replaceAll("DIR", root));
  }
  return { place, searchPath: ["first", "second"].map(place).join(":") };
}

const sh = "#!/bin/sh\n";
const env = (argument: string) => `#!/usr/bin/env ${argument}\n`;

describe("the check of what executing a file executes", () => {
  // What can be written by others, the file that is checked, and where the fault is.
  it.each<[string, Record<string, string>, string]>([
    ["the interpreter", { "p/plugin": "#!DIR/i/inter\n", "i/inter": sh }, "i/inter"],
    ["the interpreter's directory", { "p/plugin": "#! DIR/i/inter -x\n", "i/inter": sh }, "i"],
    ["an interpreter's own", { "p/plugin": "#!DIR/i/a\n", "i/a": "#!DIR/j/b\n", "j/b": sh }, "j/b"],
    ["where the interpreter would be", { "p/plugin": "#!DIR/i/none\n", "i/": "" }, "i"],
    ["what env finds", { "p/plugin": env("tool"), "first/": "", "second/tool": sh }, "second/tool"],
    ["a directory before that", { "p/plugin": env("tool"), "first/": "", "second/tool": sh }, "first"],
    ["a directory where it is not found", { "p/plugin": env("no-such-tool"), "first/": "", "second/": "" }, "second"],
    ["what env -S finds", { "p/plugin": env("-S A=b tool -x"), "first/": "", "second/tool": sh }, "second/tool"],
    ["what its argument names", { "p/plugin": env("DIR/i/tool"), "i/tool": sh }, "i/tool"],
    ["the interpreter of what it finds", { "p/plugin": env("tool"), "first/tool": "#!DIR/i/a\n", "i/a": sh }, "i/a"],
  ])("refuses %s that others can write", (_, files, bad) => {
    const { place, searchPath } = createPlaces(files);
    const plugin = place("p/plugin");
    expect(findExecutableFault(plugin, searchPath)).toBeNull();
    chmodSync(place(bad), 0o757);
    const fault = findExecutableFault(plugin, searchPath);
    expect(fault).toContain(`${place(bad)}: mode 0757 lets any user write it`);
    expect(fault).toContain(`(the first line of ${plugin} leads there)`);
  });

  it("refuses a directory of PATH in which everybody can make files, sticky or not there yet", () => {
    const { place, searchPath } = createPlaces({ "p/plugin": env("tool"), "first/": "", "second/tool": sh });
    chmodSync(place("first"), 0o1777);
    expect(findExecutableFault(place("p/plugin"), searchPath)).toContain(`${place("first")}: mode 1777`);
    expect(findExecutableFault(place("p/plugin"), `${place("first/none")}:${searchPath}`)).toContain("mode 1777");
    expect(findExecutableFault(place("p/plugin"), place("second"))).toBeNull();
  });

  it("does not look behind the hit", () => {
    const { place, searchPath } = createPlaces({ "p/plugin": env("tool"), "first/tool": sh, "second/": "" });
    chmodSync(place("second"), 0o777);
    expect(findExecutableFault(place("p/plugin"), searchPath)).toBeNull();
  });

  it.each(["-S 'a b'", "-S $TOOL", "-S -i tool", "-S PATH=/tmp tool", "-i", "-vS tool", "--split-string tool"])(
    "refuses env %s, which it does not follow",
    (argument) => {
      const { place, searchPath } = createPlaces({ "p/plugin": env(argument) });
      expect(findExecutableFault(place("p/plugin"), searchPath)).toContain(
        `${place("p/plugin")}: its first line gives env "${argument}"`,
      );
    },
  );

  it("refuses an interpreter through /proc, and what env finds without end", () => {
    const { place } = createPlaces({ "p/plugin": "#!/proc/self/root/bin/sh\n", "p/loop": env("loop") });
    expect(findExecutableFault(place("p/plugin"), "")).toContain("/proc: a proc file system");
    expect(findExecutableFault(place("p/loop"), place("p"))).toContain("env leads to more than 5 scripts");
  });

  it("leaves to the system what is missing, what is no script, and an interpreter without end", () => {
    const files = { missing: "#!/no/such/interpreter\n", text: "x", none: "#!\n", loop: "#!DIR/loop\n" };
    const { place } = createPlaces(files);
    for (const name of Object.keys(files)) expect(findExecutableFault(place(name), "/bin")).toBeNull();
    expect(findExecutableFault("/bin/sh", "/bin")).toBeNull();
  });
});

function createPlugin() {
  const directory = join(createDirectory(), "bin");
  mkdirSync(directory, 0o755);
  return installFile(directory, "plugin", "#!/bin/sh\n");
}

describe("findPermissionFault", () => {
  it("has none for a file that only its owner and root can change", () => {
    expect(findPermissionFault(createPlugin())).toBeNull();
    expect(findPermissionFault("/bin/sh")).toBeNull();
    expect(findPermissionFault("/no/such/plugin")).toContain("cannot read its permissions");
  });

  it.each<[string, (path: string) => string, number, string]>([
    ["the file", (path) => path, 0o775, "group"],
    ["the file", (path) => path, 0o777, "any user"],
    ["its directory", dirname, 0o777, "any user"],
    ["its directory", dirname, 0o1777, "any user"],
    ["a directory above", (path) => dirname(dirname(path)), 0o777, "any user"],
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

  it("refuses a way through /proc, where paths are another process's", () => {
    const path = createPlugin();
    symlinkSync(`/proc/1/root${path}`, `${path}.link`);
    for (const through of [`/proc/self/root${path}`, `${path}.link`]) {
      expect(findPermissionFault(through)).toMatch(/^\/proc: a proc file system/);
    }
  });

  it.runIf(process.geteuid?.() === 0)("refuses what belongs to another user, also a link", () => {
    const path = createPlugin();
    chownSync(path, 12345, 0);
    expect(findPermissionFault(path)).toContain("belongs to user 12345");
    expect(findPermissionFault(path, { ownUid: 12345 })).toBeNull();
    chownSync(path, 0, 0);
    chownSync(dirname(path), 12345, 0);
    expect(findPermissionFault(path)).toContain(`${dirname(path)}: it belongs to user 12345`);
    chownSync(dirname(path), 0, 0);
    // In a directory with the sticky bit, that user may put another in its place.
    const link = `${dirname(dirname(path))}/link`;
    symlinkSync(path, link);
    lchownSync(link, 12345, 0);
    expect(findPermissionFault(link)).toContain(`${link}: the link belongs to user 12345`);
  });
});

describe("a walk that found no fault", () => {
  async function setUp() {
    const files = { "p/plugin": env("tool"), "first/": "", "second/tool": "#!DIR/i/inter\n", "i/inter": sh };
    const { place, searchPath } = createPlaces(files);
    symlinkSync("p", place("link"));
    utimesSync(place("p/plugin"), 1_000, 1_000);
    // A link's own times do not change.
    await sleep(40);
    let nowMs = 0;
    let looks = 0;
    const walks = new PassedWalks({}, () => nowMs);
    const plugin = place("link/plugin");
    const check = () => {
      const before = looks;
      const look = (walk: PermissionWalk) => {
        looks += 1;
        return findExecutableFault(plugin, searchPath, walk);
      };
      return { fault: walks.faultOf(plugin, look), walked: looks > before };
    };
    expect(check()).toEqual({ fault: null, walked: true });
    return { place, check, wait: (ms: number) => (nowMs += ms) };
  }

  it("is believed for 10 s, whatever else happens in the directories", async () => {
    const { place, check, wait } = await setUp();
    installFile(place("p"), "another", sh);
    wait(9_999);
    expect(check()).toEqual({ fault: null, walked: false });
    wait(1);
    expect(check().walked).toBe(true);
  });

  const rename = (path: string, text: string) => {
    installFile(dirname(path), "new", text);
    renameSync(join(dirname(path), "new"), path);
  };

  it.each<[string, (place: (name: string) => string) => void]>([
    ["the plugin is edited in place", (place) => appendFileSync(place("p/plugin"), "x")],
    [
      "an edit of the same length keeps the time",
      (place) => {
        writeFileSync(place("p/plugin"), env("tooL"));
        utimesSync(place("p/plugin"), 1_000, 1_000);
      },
    ],
    ["another file takes the plugin's name", (place) => rename(place("p/plugin"), env("tool"))],
    ["another file takes the name of what env finds", (place) => rename(place("second/tool"), sh)],
    ["env finds one in an earlier directory", (place) => installFile(place("first"), "tool", sh)],
    ["the interpreter is another file", (place) => rename(place("i/inter"), sh)],
    [
      "the link leads elsewhere",
      (place) => {
        mkdirSync(place("q"));
        copyFileSync(place("p/plugin"), place("q/plugin"));
        symlinkSync("q", place("new"));
        renameSync(place("new"), place("link"));
      },
    ],
  ])("is not believed when %s", async (_, change) => {
    const { place, check } = await setUp();
    change(place);
    expect(check()).toEqual({ fault: null, walked: true });
  });

  it.each(["p/plugin", "p", "second/tool", "first", "i", "i/inter", "."])(
    "does not hide that others can write %s",
    async (bad) => {
      const { place, check } = await setUp();
      chmodSync(place(bad), 0o757);
      expect(check().fault).toContain(`${place(bad)}: mode 0757 lets any user write it`);
    },
  );

  it("is not believed of a file that was written a moment ago, which could be so again", async () => {
    const { place, check } = await setUp();
    appendFileSync(place("i/inter"), "x");
    expect(check().walked).toBe(true);
    expect(check().walked).toBe(true);
    await sleep(40);
    expect(check().walked).toBe(true);
    expect(check().walked).toBe(false);
  });
});

describe("findConfigPermissionFault", () => {
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
    const fault = `${volume}: mode 0777 lets any user write it`;
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
