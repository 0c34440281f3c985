import { existsSync, readFileSync } from "node:fs";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { conformance, conformanceJson, PluginFolder } from "./verb.js";

let folder: PluginFolder;

beforeEach(() => {
  folder = new PluginFolder();
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
    "create-sandbox",
    /"adjust" must be an object.*correct its value/,
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
