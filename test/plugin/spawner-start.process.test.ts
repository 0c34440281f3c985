import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

import { createDirectory, installFile } from "./plugin-directory.js";
import { run, sh, spawnerForFile, spawners } from "./spawners.js";

/** The fields of a stat after the command: state, parent, group, session. */
const fieldsOf = (stat: string) => stat.slice(stat.lastIndexOf(") ") + 2).split(" ");

describe.each(spawners)("the start of a process by the $name spawner", ({ create, session }) => {
  const spawner = spawnerForFile(create);

  it("hands over exactly the environment, argv and working directory", async () => {
    const env = { PATH: "/usr/bin:/bin", A: "1", EMPTY: "", SPACED: "a b\nc" };
    const script = "#!/bin/sh\ncat /proc/$$/environ; printf '|'; cat /proc/$$/cmdline; pwd\n";
    const path = installFile(createDirectory(), "show", script);
    const { text } = await run(spawner, { path, env, args: ["invoke", "", "x y"] });
    const [environment = "", rest = ""] = text.split("|");
    const given = Object.entries(env).map(([name, value]) => `${name}=${value}\0`);
    expect(environment.split(/(?<=\0)/).sort()).toEqual(given.sort());
    expect(rest).toBe(`/bin/sh\0${path}\0invoke\0\0x y\0/\n`);
  });

  it("takes argv[0] as it is told", async () => {
    const { text } = await run(spawner, { path: "/bin/cat", argv0: "a name/with slash", args: ["/proc/self/cmdline"] });
    expect(text).toBe("a name/with slash\0/proc/self/cmdline\0");
  });

  it(`makes it leader of its own group in ${session} session, with default signals and an empty mask`, async () => {
    const { text, pid } = await run(spawner, { path: "/bin/cat", args: ["/proc/self/stat", "/proc/self/status"] });
    const [, , group, own] = fieldsOf(text);
    const [, , , ours] = fieldsOf(readFileSync("/proc/self/stat", "latin1"));
    expect({ group, session: own }).toEqual({ group: String(pid), session: session === "our" ? ours : String(pid) });
    expect(text).toMatch(/^SigBlk:\s+0+$/m);
    expect(text).toMatch(/^SigIgn:\s+0+$/m);
  });

  it.each([
    ["a missing file", () => join(createDirectory(), "missing"), "ENOENT"],
    ["a directory", () => createDirectory(), "EACCES"],
    ["no execute bit", () => installFile(createDirectory(), "x", "#!/bin/sh\n", 0o644), "EACCES"],
    ["no shebang", () => installFile(createDirectory(), "x", "echo ran\n"), "ENOEXEC"],
    ["a missing interpreter", () => installFile(createDirectory(), "x", "#!/no/such/sh\n"), "ENOENT"],
    ["an interpreter without execute bit", () => installFile(createDirectory(), "x", "#!/etc/passwd\n"), "EACCES"],
    ["a path through a file", () => "/etc/passwd/x", "ENOTDIR"],
  ])("%s is a value, not a throw", async (_, install, code) => {
    expect(await run(spawner, { path: install(), stdin: "request" })).toMatchObject({
      started: false,
      startError: { code },
      pid: 0,
      exitCode: null,
      signal: null,
      text: "",
    });
    expect((await sh(spawner, "cat", { stdin: "next" })).text).toBe("next");
  });

  it("an environment that is too large, and texts with a zero byte, are values", async () => {
    const large = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`V${i}`, "x".repeat(100_000)]));
    expect(await run(spawner, { path: "/bin/true", env: large })).toMatchObject({ startError: { code: "E2BIG" } });
    for (const options of [{ env: { A: "a\0B=b" } }, { args: ["a\0b"] }]) {
      expect(await run(spawner, { path: "/bin/true", ...options })).toMatchObject({ started: false });
    }
  });

  it("starts nothing of a file that others than root can write", async () => {
    const directory = createDirectory();
    const seen = join(directory, "seen");
    const path = installFile(createDirectory(), "plugin", `#!/bin/sh\ncat >>${seen}\n`, 0o757);
    const guarded = { path, guarded: path };
    const startError = { code: "EPERM", refusal: expect.stringContaining(`${path}: mode 0757 lets`) };
    expect(await run(spawner, { ...guarded, stdin: "1" })).toMatchObject({ started: false, startError });
    expect(await run(spawner, { path, guarded: null, stdin: "2" })).toMatchObject({ exitCode: 0 });
    expect(readFileSync(seen, "utf8")).toBe("2");
  });
});
