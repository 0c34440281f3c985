import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { has, root, run, temporaryFolder } from "./support.js";

const unitFile = join(root, "deploy/systemd/nri-v01-bridge.service");
const dropIn = join(root, "deploy/systemd/plugins-that-only-watch.conf");
const unit = readFileSync(unitFile, "utf8");

/** The value of a key; what a comment says is not one. */
function settingOf(key: string): string | undefined {
  return new RegExp(`^${key}=(.*)$`, "m").exec(unit)?.[1];
}

describe.skipIf(!has("systemd-analyze"))("systemd-analyze verify", () => {
  const folder = temporaryFolder("systemd");
  const system = join(folder, "etc/systemd/system");
  // A root of its own: the programs that the unit names have to be there, and the machine's may not be.
  for (const program of ["usr/local/bin/nri-v01-bridge", "bin/sh", "bin/kill"]) {
    mkdirSync(join(folder, program, ".."), { recursive: true });
    cpSync("/bin/true", join(folder, program), { dereference: true });
  }
  cpSync("/usr/lib/systemd/system", join(folder, "usr/lib/systemd/system"), { recursive: true });
  mkdirSync(join(system, "nri-v01-bridge.service.d"), { recursive: true });
  const verify = () => run("systemd-analyze", ["verify", "--man=no", `--root=${folder}`, "nri-v01-bridge.service"]);

  it("has nothing against the unit", async () => {
    writeFileSync(join(system, "nri-v01-bridge.service"), unit);
    expect(await verify()).toMatchObject({ code: 0, stderr: "" });
  });

  it("has nothing against the unit with the drop-in", async () => {
    cpSync(dropIn, join(system, "nri-v01-bridge.service.d/plugins-that-only-watch.conf"));
    expect(await verify()).toMatchObject({ code: 0, stderr: "" });
  });

  it("would have: a key that does not exist is found", async () => {
    writeFileSync(join(system, "nri-v01-bridge.service"), unit.replace("KillMode=", "KilMode="));
    expect((await verify()).stderr).toContain("Unknown key 'KilMode'");
  });
});

/** All values of a key, in order; an empty one takes back those before it. */
function valuesOf(key: string, files: readonly string[]): readonly string[] {
  const lines = files.flatMap((text) => [...text.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))]);
  const values = lines.map(([, value = ""]) => value);
  return values.slice(values.lastIndexOf("") + 1);
}

const isBelow = (path: string, directory: string) => path === directory || path.startsWith(`${directory}/`);

/** What the service needs and its own sandbox takes away; systemd.exec(5), Sandboxing. */
function takenAway(...files: readonly string[]): readonly string[] {
  const values = (key: string) => valuesOf(key, files);
  const paths = (key: string) =>
    values(key).flatMap((value) => value.split(" ").map((path) => path.replace(/^[-+]+/, "")));
  const isOn = (key: string) => ["yes", "true", "tmpfs"].includes(values(key).at(-1) ?? "");
  const below = (prefix: string, key: string) => paths(key).map((name) => `${prefix}/${name}`);

  const system = values("ProtectSystem").at(-1) ?? "no";
  const readOnly = {
    no: [],
    yes: ["/usr", "/boot", "/efi"],
    full: ["/usr", "/boot", "/efi", "/etc"],
    strict: ["/boot", "/efi", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/usr", "/var"],
  }[system];
  if (readOnly === undefined) throw new Error(`ProtectSystem=${system} is not known here`);
  const writable = [
    ...paths("ReadWritePaths"),
    ...below("/run", "RuntimeDirectory"),
    ...below("/var/lib", "StateDirectory"),
    ...below("/var/log", "LogsDirectory"),
    ...below("/etc", "ConfigurationDirectory"),
  ];
  const hidden = [
    ...paths("InaccessiblePaths"),
    ...(isOn("ProtectHome") ? ["/home", "/root", "/run/user"] : []),
    ...(isOn("PrivateTmp") ? ["/tmp", "/var/tmp"] : []),
  ];

  // With a plus a command runs outside of the sandbox.
  const commands = ["ExecStartPre", "ExecStart", "ExecReload"]
    .flatMap(values)
    .filter((command) => !/^[-@:]*\+/.test(command));
  const written = commands.flatMap((command) =>
    [...command.matchAll(/(?:>|mkdir -p) *(\/[^\s']+)/g)].map(([, path = ""]) => path),
  );
  // Where the bridge and its plugins are when nothing else is configured.
  written.push("/run/nri", "/var/lib/nri-v01-bridge");
  const named = commands.flatMap((command) => [...command.matchAll(/\/[\w./-]+/g)].map(([path]) => path));
  return [
    ...written
      .filter((path) => [...readOnly, ...paths("ReadOnlyPaths")].some((directory) => isBelow(path, directory)))
      .filter((path) => !writable.some((directory) => isBelow(path, directory)))
      .map((path) => `${path} is read-only`),
    ...[...written, ...named, "/etc/nri/conf.json", "/opt/nri/bin"]
      .filter((path) => hidden.some((directory) => isBelow(path, directory)))
      .map((path) => `${path} is hidden`),
  ];
}

describe("the sandbox of the service", () => {
  const folder = join(root, "deploy/systemd");
  const dropIns = readdirSync(folder).filter((name) => name.endsWith(".conf"));
  const strict = readFileSync(dropIn, "utf8");

  it.each(["no drop-in", ...dropIns])("takes away nothing that it needs to start: %s", (name) => {
    const over = dropIns.includes(name) ? [readFileSync(join(folder, name), "utf8")] : [];
    expect(takenAway(unit, ...over)).toEqual([]);
  });

  it.each([
    ["/etc/nri-v01-bridge/config.yaml is read-only", unit.replace("ExecStartPre=+", "ExecStartPre="), strict],
    ["/var/lib/nri-v01-bridge is read-only", unit.replace("\nStateDirectory=", "\n#"), strict],
    ["/run/nri is read-only", unit, strict.replace("-/run/nri ", "")],
    ["/root/config.yaml is hidden", unit.replace("--config /etc/nri-v01-bridge", "--config /root"), strict],
    ["/tmp/nri-v01-bridge is hidden", unit.replace("ExecStart=/usr/local/bin", "ExecStart=/tmp"), strict],
  ])("would be found: %s", (fault, ...files) => {
    expect(takenAway(...files)).toContain(fault);
  });
});

describe("the way to install that the unit shows", () => {
  const folder = temporaryFolder("installed");

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
  it("leaves plugins and what they left running as containerd.service did", () => {
    expect(settingOf("KillMode")).toBe("process");
    expect(settingOf("TasksMax")).toBe("infinity");
    expect(settingOf("OOMScoreAdjust")).toBe("-999");
    expect(settingOf("Delegate")).toBe("yes");
  });

  it.each([
    "ProtectSystem",
    "ProtectHome",
    "PrivateTmp",
    "PrivateMounts",
    "ProtectControlGroups",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectKernelLogs",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "PrivateDevices",
    "DynamicUser",
  ])("does not set %s, which would give plugins a mount namespace of their own", (key) => {
    expect(settingOf(key)).toBeUndefined();
  });

  it("keeps the capabilities that captured views and reading /proc need", () => {
    const dropped = settingOf("CapabilityBoundingSet") ?? "";
    expect(dropped).toMatch(/^~/);
    for (const kept of ["CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_BPF", "CAP_SYS_MODULE"]) {
      expect(dropped).not.toContain(kept);
    }
  });

  it("gives up on a wrong configuration only, which ends the program with 2", async () => {
    expect(settingOf("RestartPreventExitStatus")).toBe("2");
    expect(settingOf("Restart")).toBe("always");
  });
});
