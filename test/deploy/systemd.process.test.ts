import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeFolder } from "../support/places.js";
import { has, root, run } from "./support.js";

const unitFile = join(root, "deploy/systemd/nri-v01-bridge.service");
const dropIn = join(root, "deploy/systemd/plugins-that-only-watch.conf");
const unit = readFileSync(unitFile, "utf8");

/** The value of a key; what a comment says is not one. */
function settingOf(key: string): string | undefined {
  return new RegExp(`^${key}=(.*)$`, "m").exec(unit)?.[1];
}

describe.skipIf(!has("systemd-analyze"))("systemd-analyze verify", () => {
  const folder = makeFolder(afterAll);
  const system = join(folder, "etc/systemd/system");
  // A root of its own: the programs that the unit names have to be there, and the machine's may not be.
  for (const program of ["usr/local/bin/nri-v01-bridge", "bin/sh", "bin/kill"]) {
    mkdirSync(join(folder, program, ".."), { recursive: true });
    cpSync("/bin/true", join(folder, program), { dereference: true });
  }
  cpSync("/usr/lib/systemd/system", join(folder, "usr/lib/systemd/system"), { recursive: true });
  mkdirSync(join(system, "nri-v01-bridge.service.d"), { recursive: true });
  const verify = () => run("systemd-analyze", ["verify", "--man=no", `--root=${folder}`, "nri-v01-bridge.service"]);

  it("has nothing against the unit, without and with the drop-in, and would have against an unknown key", async () => {
    writeFileSync(join(system, "nri-v01-bridge.service"), unit);
    expect(await verify()).toMatchObject({ code: 0, stderr: "" });
    cpSync(dropIn, join(system, "nri-v01-bridge.service.d/plugins-that-only-watch.conf"));
    expect(await verify()).toMatchObject({ code: 0, stderr: "" });
    writeFileSync(join(system, "nri-v01-bridge.service"), unit.replace("KillMode=", "KilMode="));
    expect((await verify()).stderr).toContain("Unknown key 'KilMode'");
  });
});

// systemd.exec(5), Sandboxing: under ProtectSystem=strict only these are writable, and ExecStartPre=+ is outside of it.
describe("the drop-in for plugins that only watch", () => {
  it("leaves the bridge what it writes, and hides none of its files", () => {
    const paths = readFileSync(dropIn, "utf8");
    expect(paths).toMatch(/^ProtectSystem=strict\nReadWritePaths=-\/run\/nri -\/var\/log$/m);
    expect(paths).not.toMatch(/^(InaccessiblePaths|ReadOnlyPaths)=/m);
    expect(settingOf("StateDirectory")).toBe("nri-v01-bridge");
    expect(settingOf("ExecStartPre")).toMatch(/^\+/);
    // ProtectHome and PrivateTmp hide these.
    expect(unit).not.toMatch(/^Exec\w+=.*\/(home|root|run\/user|tmp|var\/tmp)\//m);
  });
});

describe("the way to install that the unit shows", () => {
  const folder = makeFolder(afterAll);

  it("puts the program on PATH, with its native library beside it", async () => {
    mkdirSync(join(folder, "usr/local/bin"), { recursive: true });
    mkdirSync(join(folder, "etc/systemd/system"), { recursive: true });
    const commands = [...unit.matchAll(/^# {3}((?:install|ln) .*)$/gm)].map(([, command = ""]) => command);
    expect(commands).toHaveLength(3);
    for (const command of commands) {
      const here = command.replaceAll(/ \/(?=usr|etc)/g, ` ${folder}/`);
      expect(await run("sh", ["-c", here])).toMatchObject({ code: 0, stderr: "" });
    }
    const program = join(folder, "usr/local/bin/nri-v01-bridge");
    expect(await run(program, ["version"])).toMatchObject({ code: 0 });
    // Beside the file that the link leads to, which is where the program looks.
    expect(existsSync(join(realpathSync(program), "../koffi.node"))).toBe(true);
    expect(readFileSync(join(folder, "etc/systemd/system/nri-v01-bridge.service"), "utf8")).toBe(unit);
  });
});

describe("the unit", () => {
  it.each([
    // Plugins, and what they left running, go on as they did in containerd.service.
    ["KillMode", /^process$/],
    ["TasksMax", /^infinity$/],
    ["OOMScoreAdjust", /^-999$/],
    ["Delegate", /^yes$/],
    // Captured views and reading /proc need what is not here.
    ["CapabilityBoundingSet", /^~(?!.*CAP_(SYS_ADMIN|SYS_CHROOT|SYS_PTRACE|BPF|SYS_MODULE))/],
    // It gives up on a wrong configuration only, which ends the program with 2.
    ["RestartPreventExitStatus", /^2$/],
    ["Restart", /^always$/],
  ])("sets %s", (key, value) => expect(settingOf(key)).toMatch(value));

  it("sets nothing that would give plugins a mount namespace of their own", () => {
    const namespaced =
      /^(Protect(System|Home|ControlGroups|Kernel\w+)|Private(Tmp|Mounts|Devices)|ReadOnlyPaths|InaccessiblePaths|DynamicUser)=/m;
    expect(unit).not.toMatch(namespaced);
  });
});
