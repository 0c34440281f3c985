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
  it.each(["clearcfs", "labels", "no-latest", "noop", "recorder", "request-log"])(
    "%s of the samples is well in all cases",
    async (name) => {
      // clearcfs fails a create whose cgroup it does not find.
      const more = name === "clearcfs" ? ["--cgroup-conf", "cgroupRoot"] : [];
      // A shell has much to do for the request of 1 MB, on a busy machine more than a runtime gives it.
      const { code, plugin, cases } = await conformanceJson(
        "--plugin",
        join(samples, name),
        "--timeout-ms",
        "10000",
        ...more,
      );
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
    expect(stdout).toContain("1 of 1 cases passed.");
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

  const noop = ["--plugin", join(samples, "noop")];
  it.each([
    ["no plugin is named", [], /--plugin/],
    ["the plugin is not there", ["--plugin", "/no/such"], /--plugin: \/no\/such is not a file/],
    ["the case is not known", [...noop, "--case", "create-sandbx"], /did you mean "create-sandbox"/],
    ["conf.json is not there", [...noop, "--conf", "/no/such"], /--conf: .*no such file/],
    ["conf.json has no entry for it", [...noop, "--conf", "two.json"], /no entry of "plugins" has the type "noop"/],
    ["its conf takes no key", [...noop, "--conf", "text.json", "--cgroup-conf", "x"], /only an object takes the key/],
    ["the phase is none", [...noop, "--phase", "late"], /--phase/],
    ["the pid is no number", [...noop, "--pid", "x"], /--pid/],
    ["the time is none", [...noop, "--timeout-ms", "0"], /--timeout-ms/],
  ])("says 2 when %s", async (_, args, said) => {
    folder.placeFile("two.json", '{"plugins":[{"type":"a"},{"type":"b"}]}');
    folder.placeFile("text.json", '{"plugins":[{"type":"noop","conf":"x"}]}');
    const { code, stderr } = await conformance(
      ...args.map((arg) => (arg.endsWith(".json") ? join(folder.path, arg) : arg)),
    );
    expect([code, stderr]).toEqual([2, expect.stringMatching(said)]);
  });
});

/** What is wrong, what the plugin does, what is said, the fault and its remedy, and the case that shows it. */
type Fault = [what: string, plan: readonly string[], said: RegExp, name?: string];

const faults: Fault[] = [
  ["a log line before it", ["read", "stdout log line", "answer"], /: invalid character 'l'.*logs go to stderr/],
  ["two results", ["read", "answer", "answer"], /after top-level value.*print one JSON object/],
  ["nothing on stdout", ["read", "stderr no jq"], /\(its stderr ends with "no jq"\): print one/, "delete-container"],
  ["an end", ["read", "stderr no jq", "exit 5"], /fails: ended with status 5 and printed nothing \(.*"no jq"\): print/],
  [
    "an end after text",
    ["read", "stdout x", "exit 5"],
    /fails: ended with status 5: failed to unmarshal .*: print one/,
  ],
  ["an exit status", ["read", "answer", "exit 3"], /exit code: 3, although its output reports no error/],
  ["a death by signal", ["read", "kill SEGV"], /fails: ended by SIGSEGV and printed nothing: end by exit/],
  ["a hang", ["read", "wait 30"], /did not end within 2000 ms.*plugin_request_timeout/],
  ["a flood", ["read", "flood stdout"], /printed more than 4194304 bytes on stdout.*limits\.stdoutBytes/],
  ["a child in its group", ["read", "quiet 30", "answer"], /left processes running.*killChildren/],
  ["a child with stdout", ["read", "background 30", "answer"], /left processes running.*killChildren/],
  ["a wrong extension", ["read", 'stdout {"adjust":1}'], /"faulty" cannot be applied: "adjust" must be an object/],
  ["an error", ["read", "answer-error no such cgroup"], /the create fails: no such cgroup: .*--cgroup-conf/],
  [
    "an ask of another phase",
    ask("env.A"),
    /adjust\.env\.A "abc": takes effect in phase create, .*set `phase: create`/,
  ],
  ["an ask of no value", ask("cpu.quota"), /adjust\.cpu\.quota "abc": expected -1 for no limit/, "update-container"],
  ["too long an argument list", ['run r=$(cat); /bin/true "$r" && printf "{}"'], /Argument list/, "large-request"],
  ["a crash without a request", ['run [ -n "$(cat)" ] || kill -SEGV $$', "answer"], /: end by exit/, "stdin-empty"],
  [
    "one life only",
    ["read", 'run [ -e "$0.ran" ] && exit 1; : >"$0.ran"', "answer"],
    /run 2 of 5 the create/,
    "repeated",
  ],
  [
    "a lock that is taken",
    ["read", 'run mkdir "$0.lock" || exit 1', "wait 0.3", 'run rmdir "$0.lock"', "answer"],
    /run \d of 4 the create fails: .*lock/,
    "side-by-side",
  ],
];

function ask(key: string): readonly string[] {
  return ["read", `stdout {"metadata":{"adjust.${key}":"abc"}}`];
}

describe("a plugin with a fault", () => {
  it.each<Fault>(faults)("%s: is named with case and remedy", async (_, plan, said, name = "create-container") => {
    const plugin = folder.placePlugin("faulty", plan);
    const { code, cases } = await conformanceJson("--plugin", plugin, "--case", name);
    expect([code, cases]).toMatchObject([1, [{ name, ok: false, problem: expect.stringMatching(said) }]]);
    expect(cases[0].problem).toMatch(new RegExp(`^faulty, ${name}: `));
  });

  it.each([
    ["no execute bit", "#!/bin/sh\n", 0o644, /without an execute bit/],
    ["no first line", "echo {}\n", 0o755, /exec format error: a script needs a first line/],
    [
      "an interpreter that is not there",
      "#!/no/such\n",
      0o755,
      /: the file exists, but the interpreter in its first line/,
    ],
  ])("%s: is named with case and remedy", async (_, text, mode, said) => {
    const plugin = folder.placeFile("faulty", text, mode);
    const { code, cases } = await conformanceJson("--plugin", plugin, "--case", "create-sandbox");
    expect([code, cases]).toMatchObject([1, [{ ok: false, problem: expect.stringMatching(said) }]]);
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
