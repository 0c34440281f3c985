import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { type CommandLineEnd, runCommandLine } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";

const samples = resolve(import.meta.dirname, "../../legacy-plugins");

/** A directory for the plugins of a test. */
class PluginFolder {
  readonly path = makeFolder();

  /** A noop that does what the plan says, under this name. */
  placePlugin(name: string, plan: readonly string[]): string {
    symlinkSync(join(samples, "noop"), join(this.path, name));
    writeFileSync(join(this.path, `${name}.plan`), `${plan.join("\n")}\n`);
    return join(this.path, name);
  }

  placeFile(name: string, text: string, mode = 0o755): string {
    writeFileSync(join(this.path, name), text, { mode });
    return join(this.path, name);
  }
}

/** Runs the verb as the command line does. */
function conformance(...args: string[]): Promise<CommandLineEnd> {
  return runCommandLine(["conformance", ...args]);
}

/** The same with --json, read. */
async function conformanceJson(...args: string[]) {
  const { code, stdout } = await conformance("--json", ...args);
  const { plugin, cases } = JSON.parse(stdout);
  return { code, plugin, cases };
}

let folder: PluginFolder;

beforeEach(() => {
  folder = new PluginFolder();
});

describe("a good plugin", () => {
  it.each(["clearcfs", "labels", "logger", "noop", "recorder"])(
    "%s of the samples is well in all cases",
    async (name) => {
      // clearcfs fails a create whose cgroup it does not find.
      const more = name === "clearcfs" ? ["--cgroup-conf", "cgroupRoot"] : [];
      const { code, plugin, cases } = await conformanceJson("--plugin", join(samples, name), ...more);
      expect(cases.filter(({ ok }: { ok: boolean }) => !ok)).toEqual([]);
      expect(cases.length).toBeGreaterThan(30);
      expect([code, plugin]).toEqual([0, join(samples, name)]);
      for (const reported of cases) {
        expect(reported).toMatchObject({
          name: expect.any(String),
          title: expect.any(String),
          ok: true,
          problem: null,
        });
      }
    },
  );

  it("is told in a table", async () => {
    const { code, stdout, stderr } = await conformance("--plugin", join(samples, "noop"), "--case", "create-sandbox");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^ok {4}create-sandbox +a pod sandbox is created {2}\([\d.]+ ms\)$/m);
    expect(stdout).toContain("1 of 1 cases are well.");
  });

  it("may report an error where no container waits for its answer, and for what no runtime sends: that is noted", async () => {
    const plugin = folder.placePlugin("refuser", ["read", "answer-error no such cgroup", "exit 1"]);
    const cases = ["delete-container", "unknown-state", "conf-string"];
    const { code, cases: reports } = await conformanceJson(
      "--plugin",
      plugin,
      ...cases.flatMap((name) => ["--case", name]),
    );
    expect(code).toBe(0);
    for (const { problem, note } of reports)
      expect([problem, note]).toEqual([null, 'reports the error "no such cgroup"']);
  });

  it("may ask for what the bridge takes, which is told", async () => {
    const plugin = folder.placePlugin("asker", ["read", 'stdout {"metadata":{"adjust.cpu.shares":"512"}}']);
    const args = ["--plugin", plugin, "--case", "create-container", "--phase"];
    expect((await conformanceJson(...args, "create")).cases).toMatchObject([{ ok: true, asked: ["cpu.shares"] }]);
    expect((await conformance(...args, "start")).stdout).toContain("\n      asks for cpu.shares\n");
  });

  it("need not read its stdin", async () => {
    const plugin = folder.placePlugin("deaf", ["answer"]);
    expect((await conformance("--plugin", plugin)).code).toBe(0);
  });
});

describe("what a plugin writes", () => {
  it("is seen in scratch cgroups, where its conf can name their root", async () => {
    const { code, cases } = await conformanceJson(
      ...["--plugin", join(samples, "clearcfs"), "--cgroup-conf", "cgroupRoot"],
      ...["--case", "create-container", "--case", "qos-class"],
    );
    expect(code).toBe(0);
    expect(cases).toMatchObject([
      { name: "create-container", changed: [] },
      {
        name: "qos-class",
        note: null,
        changed: [expect.stringMatching(/^cpu\/kubepods\/besteffort\/pod[^ ]*\/cpu\.cfs_quota_us: 50000 -> -1$/)],
      },
    ]);
  });
});

describe("the command line", () => {
  it("gives the plugin its conf of a conf.json", async () => {
    const conf = folder.placeFile(
      "conf.json",
      '{"version":"0.1","plugins":[{"type":"x"},{"type":"told","conf":{"n":12345678901234567890}}]}',
    );
    const plugin = folder.placePlugin("told", [`save ${folder.path}/request`, "answer"]);
    await conformance("--plugin", plugin, "--conf", conf, "--pid", "77", "--case", "create-sandbox");
    const request = readFileSync(`${folder.path}/request`, "utf8");
    expect(request).toMatch(/^\{"conf":\{"n":12345678901234567890\},"version":"0\.1"/);
    expect(request).toContain('"pid":77,');
  });

  it.each([
    ["no plugin is named", [], /--plugin/],
    ["the plugin is not there", ["--plugin", "/no/such"], /--plugin: \/no\/such is no file/],
    [
      "the case is not known",
      ["--plugin", join(samples, "noop"), "--case", "create-sandbx"],
      /did you mean "create-sandbox"/,
    ],
    ["conf.json is not there", ["--plugin", join(samples, "noop"), "--conf", "/no/such"], /--conf: .*no such file/],
    ["the phase is none", ["--plugin", join(samples, "noop"), "--phase", "late"], /--phase/],
    ["the pid is no number", ["--plugin", join(samples, "noop"), "--pid", "x"], /--pid/],
  ])("says 2 when %s", async (_, args, said) => {
    const { code, stderr } = await conformance(...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(said)]);
  });

  it("says 2 when conf.json has no entry for the plugin, and when its conf takes no key", async () => {
    const two = folder.placeFile("two.json", '{"plugins":[{"type":"a"},{"type":"b"}]}');
    const text = folder.placeFile("text.json", '{"plugins":[{"type":"noop","conf":"x"}]}');
    const noop = join(samples, "noop");
    expect(await conformance("--plugin", noop, "--conf", two)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no entry of "plugins" has the type "noop"'),
    });
    expect(await conformance("--plugin", noop, "--conf", text, "--cgroup-conf", "root")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("only an object takes the key"),
    });
  });
});

/** What is wrong, what the plugin does, the case that shows it, and what is said: the fault and its remedy. */
const faults: readonly (readonly [string, readonly string[], string, RegExp])[] = [
  [
    "a log line before the result",
    ["read", "stdout log line", "answer"],
    "create-sandbox",
    /stdout is no v0\.1 result, invalid character 'l' looking for beginning of value: "log line\\n.*logs go to stderr/,
  ],
  [
    "two results",
    ["read", "answer", "answer"],
    "delete-sandbox",
    /after top-level value.*the one JSON object and nothing else/,
  ],
  ["an array", ["read", "stdout []"], "update-container", /cannot unmarshal array.*the one JSON object/],
  [
    "nothing on stdout",
    ["read", "stderr no jq here"],
    "delete-container",
    /printed nothing on stdout \(its stderr ends with "no jq here"\): print \{"plugin"/,
  ],
  [
    "an exit status",
    ["read", "answer", "exit 3"],
    "create-sandbox",
    /exit status 3 with a result that has no error.*exit 0, or/,
  ],
  ["a death by signal", ["read", "answer", "kill SEGV"], "create-sandbox", /SIGSEGV ended it: end by exit/],
  ["a hang", ["read", "wait 30"], "create-sandbox", /did not end within 2000 ms.*plugin_request_timeout/],
  [
    "a flood",
    ["read", "flood stdout"],
    "create-sandbox",
    /printed more than 4194304 bytes on stdout.*limits\.stdoutBytes/,
  ],
  ["a child in its group", ["read", "quiet 30", "answer"], "create-sandbox", /left a process running.*killChildren/],
  [
    "a child that holds stdout",
    ["read", "background 30", "answer"],
    "create-sandbox",
    /left a process running.*killChildren/,
  ],
  [
    "an extension of the wrong type",
    ["read", 'stdout {"adjust":1}'],
    "create-container",
    /the result of "faulty" cannot be applied: "adjust" must be an object/,
  ],
  [
    "an error, with which no container starts",
    ["read", "answer-error no such cgroup"],
    "create-container",
    /fails the create with the error "no such cgroup".*--cgroup-conf/,
  ],
  [
    "an ask that this phase cannot grant",
    ["read", 'stdout {"metadata":{"adjust.env.A":"b"}}'],
    "create-container",
    /adjust\.env\.A "b": takes effect in phase create, not in start.*set `phase: create`/,
  ],
  [
    "an ask that is no value",
    ["read", 'stdout {"metadata":{"adjust.cpu.quota":"abc"}}'],
    "update-container",
    /adjust\.cpu\.quota "abc": expected -1 for no limit/,
  ],
  [
    "an argument list that is too long",
    ['run request=$(cat); /bin/true "$request" && printf "{}"'],
    "large-request",
    /printed nothing on stdout \(its stderr ends with .*Argument list.*\)/,
  ],
  ["a crash without a request", ['run [ -n "$(cat)" ] || kill -SEGV $$', "answer"], "stdin-empty", /SIGSEGV ended it/],
  [
    "one life only",
    ["read", 'run [ -e "$0.ran" ] && exit 1; : >"$0.ran"', "answer"],
    "repeated",
    /run 2 of 5 printed nothing/,
  ],
  [
    "a lock that is taken",
    ["read", 'run mkdir "$0.lock" || exit 1', "wait 0.3", 'run rmdir "$0.lock"', "answer"],
    "side-by-side",
    /run \d of 4 printed nothing.*lock/,
  ],
];

describe("a plugin with a fault", () => {
  it.each(faults)("%s: is named with case and remedy", async (_, plan, name, said) => {
    const plugin = folder.placePlugin("faulty", plan);
    const { code, cases } = await conformanceJson("--plugin", plugin, "--case", name);
    expect(code).toBe(1);
    expect(cases).toMatchObject([{ name, ok: false, problem: expect.stringMatching(said) }]);
    expect(cases[0].problem).toMatch(new RegExp(`^faulty, ${name}: `));
  });

  it.each([
    ["no execute bit", "#!/bin/sh\n", 0o644, /cannot be run: .*no execute bit/],
    ["no first line", "echo {}\n", 0o755, /cannot be run: .*exec format error: a script needs a first line/],
    ["an interpreter that is not there", "#!/no/such\n", 0o755, /cannot be run: .*the interpreter in its first line/],
  ])("%s: is named with case and remedy", async (_, text, mode, said) => {
    const plugin = folder.placeFile("faulty", text, mode);
    const { code, cases } = await conformanceJson("--plugin", plugin, "--case", "create-sandbox");
    expect([code, cases]).toMatchObject([1, [{ ok: false, problem: expect.stringMatching(said) }]]);
  });

  it("that knows itself by one name only is found through a link", async () => {
    const plugin = folder.placeFile("known", '#!/bin/sh\ncat >/dev/null\ncase $0 in */known) echo "{}" ;; esac\n');
    const { cases } = await conformanceJson("--plugin", plugin, "--case", "symlink", "--case", "create-sandbox");
    expect(cases).toMatchObject([
      { name: "create-sandbox", ok: true },
      { name: "symlink", ok: false, problem: expect.stringContaining("known, symlink: printed nothing") },
    ]);
  });

  it("leaves nothing behind here: what it left running is ended", async () => {
    const plugin = folder.placePlugin("parent", ["read", 'run sleep 30 & echo $! >"$0.child"', "answer"]);
    await conformance("--plugin", plugin, "--case", "create-sandbox");
    const child = Number(readFileSync(`${plugin}.child`, "utf8"));
    // Ended, or ended and not yet reaped by whoever inherits it; a signal arrives when the system comes to it.
    const stat = () => (existsSync(`/proc/${child}/stat`) ? readFileSync(`/proc/${child}/stat`, "utf8") : ") Z");
    await vi.waitFor(() => expect(stat()).toMatch(/\) [ZX]/), { timeout: 3_000 });
  });
});
