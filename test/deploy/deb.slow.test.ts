import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFolder } from "../support/places.js";
import { executable, has, root, run } from "./support.js";

/** Built, and looked into; `npm run test:node` installs it. */
describe.skipIf(!existsSync(executable) || !has("dpkg-deb"))("the Debian package", () => {
  const folder = makeFolder(afterAll);
  const inside = (path: string) => join(folder, "content", path);
  let deb = "";
  beforeAll(async () => {
    const { stdout, stderr } = await run(process.execPath, ["scripts/build-deb.mjs", "--out", folder]);
    expect(stderr).toBe("");
    deb = stdout.split(": ")[0] ?? "";
    expect(await run("dpkg-deb", ["--raw-extract", deb, inside("")])).toMatchObject({ code: 0 });
  }, 120_000);

  it("holds what it must, all of it root's, and nothing else", async () => {
    const { stdout } = await run("dpkg-deb", ["--contents", deb]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/));
    const listed = lines.map(([mode, owner, , , , path]) => [mode, owner, path?.slice(1)].join(" "));
    const [directories, files] = [
      listed.filter((line) => line.startsWith("d")),
      listed.filter((line) => !line.startsWith("d")),
    ];
    for (const line of directories) expect(line).toMatch(/^drwxr-xr-x root\/root .*\/$/);
    expect(files.sort()).toEqual([
      "-rw-r--r-- root/root /etc/nri-v01-bridge/config.yaml",
      "-rw-r--r-- root/root /usr/lib/systemd/system/nri-v01-bridge.service",
      "-rw-r--r-- root/root /usr/share/doc/nri-v01-bridge/changelog.gz",
      "-rw-r--r-- root/root /usr/share/doc/nri-v01-bridge/copyright",
      "-rw-r--r-- root/root /usr/share/doc/nri-v01-bridge/examples/plugins-that-only-watch.conf",
      "-rw-r--r-- root/root /usr/share/man/man1/nri-v01-bridge.1.gz",
      "-rwxr-xr-x root/root /usr/bin/nri-v01-bridge",
    ]);
    const sums = await run("md5sum", ["--check", "--quiet", "DEBIAN/md5sums"], { cwd: inside("") });
    expect(sums).toMatchObject({ code: 0, stdout: "" });
    expect(readFileSync(inside("DEBIAN/md5sums"), "utf8").trim().split("\n")).toHaveLength(files.length);
  });

  it("says what it is, what it needs, and which file is the administrator's", async () => {
    const field = async (name: string) => (await run("dpkg-deb", ["--field", deb, name])).stdout.trim();
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(await field("Version")).toBe(version.replace("-", "~"));
    expect(await field("Maintainer")).toMatch(/^\S.* <\S+@\S+>$/);
    expect(Number(await field("Installed-Size"))).toBeGreaterThan(60_000);
    expect(readFileSync(inside("DEBIAN/conffiles"), "utf8")).toBe("/etc/nri-v01-bridge/config.yaml\n");
    // Debian's policy 3.4.1: the synopsis is under 80 characters and no sentence.
    expect((await field("Description")).split("\n")[0]).toMatch(/^.{10,79}(?<!\.)$/);
    // The C libraries that the executable is linked with, and the newest version of the C library that it asks for.
    const { stdout } = await run("objdump", ["-p", executable]);
    const symbols = [...stdout.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
    expect(await field("Depends")).toContain(`libc6 (>= 2.${Math.max(...symbols)}), libgcc-s1, libstdc++6`);
  });

  it("runs its program, as built", async () => {
    expect(readFileSync(inside("usr/bin/nri-v01-bridge")).equals(readFileSync(executable))).toBe(true);
    expect(await run(inside("usr/bin/nri-v01-bridge"), ["version"], { env: {} })).toMatchObject({ code: 0 });
    const check = ["check", "--permissions", "trust", "--config", inside("etc/nri-v01-bridge/config.yaml")];
    expect((await run(inside("usr/bin/nri-v01-bridge"), check)).stderr).not.toContain("config.yaml");
  });

  it("has the unit of deploy/systemd, with the program where the package puts it", () => {
    const settings = (text: string) => text.split("\n").filter((line) => !line.startsWith("#"));
    const unit = readFileSync(join(root, "deploy/systemd/nri-v01-bridge.service"), "utf8");
    const packaged = readFileSync(inside("usr/lib/systemd/system/nri-v01-bridge.service"), "utf8");
    expect(settings(packaged)).toEqual(settings(unit.replace("=/usr/local/bin/", "=/usr/bin/")));
    expect(packaged).not.toContain("/usr/local");
  });

  it.each(["postinst", "prerm", "postrm"])(
    "has a %s that a shell reads, and that stops at an error",
    async (script) => {
      expect(await run("sh", ["-n", inside(`DEBIAN/${script}`)])).toMatchObject({ code: 0, stderr: "" });
      expect(readFileSync(inside(`DEBIAN/${script}`), "utf8")).toMatch(/^#!\/bin\/sh\nset -e\n/);
    },
  );
});
