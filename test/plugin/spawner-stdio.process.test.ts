import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { openNative } from "../../src/host/native.js";
import { RequestWriter } from "../../src/plugin/pipes.js";
import { createDirectory, createGate, installFile, installNoop } from "./plugin-directory.js";
import { endProcess, until } from "./processes.js";
import { run, sh, spawnerForFile, spawners } from "./spawners.js";

const setDescriptorFlags = 2;
const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;

describe.each(spawners)("stdio of the $name spawner", ({ name, create, stdio }) => {
  const spawner = spawnerForFile(create);

  it.each([
    ["cat", "request"],
    ["sleep 0.1; cat", "request"],
    ["head -c 3; (cat)", "request"],
    ["cat <&0; echo x >&1; echo y", "requestx\ny\n"],
  ])("%s", async (script, expected) => {
    expect(await sh(spawner, script, { stdin: "request" })).toMatchObject({
      text: expected,
      exitCode: 0,
      signal: null,
      lines: [],
    });
  });

  // The exception: what Node gives a process are sockets.
  it.each([
    ["cat /dev/stdin", "request"],
    ["cat /proc/self/fd/0", "request"],
    ["cat /dev/stdin; echo x > /dev/stdout; echo y", "requestx\ny\n"],
    ["echo a; echo b > /dev/stdout; echo c >> /dev/stdout; echo d", "a\nb\nc\nd\n"],
    ["echo to stdout; echo to stderr > /dev/stderr", "to stdout\n"],
    ["sleep 0.1; cat /dev/stdin", "request"],
    ["(sleep 0.1; cat /dev/stdin)", "request"],
    ["head -c 3; cat /dev/stdin", "request"],
  ])(`by name, which a ${stdio} ${stdio === "pipe" ? "lets" : "does not let"} it: %s`, async (script, expected) => {
    const { text, lines } = await sh(spawner, script, { stdin: "request" });
    if (stdio === "pipe") expect(text).toBe(expected);
    else expect(lines[0]).toContain("No such device or address");
  });

  it(`gives ${stdio}s, which block`, async () => {
    const { text } = await sh(
      spawner,
      "readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2; grep -h flags /proc/$$/fdinfo/[012]",
    );
    const [zero, one, two, ...flags] = text.trim().split("\n");
    expect([zero, one, two]).toEqual([0, 1, 2].map(() => expect.stringMatching(`^${stdio}:\\[\\d+\\]$`)));
    expect(new Set([zero, one, two]).size).toBe(3);
    expect(flags.map((line) => Number.parseInt(line.split(/\s+/)[1] ?? "", 8) & 0o4000)).toEqual([0, 0, 0]);
  });

  it("gives no other descriptor, whatever is open here", async () => {
    const server = createServer().listen(0);
    const files = Array.from({ length: 40 }, () => openSync("/dev/null", "r+"));
    // One that a library opened and did not mark: the child itself closes it, where its C library can.
    const { libc } = openNative();
    if (name === "ffi" && libc.addCloseFrom !== undefined) libc.fcntl(files[20] ?? -1, setDescriptorFlags, 0);
    onTestFinished(() => {
      server.close();
      for (const file of files) closeSync(file);
    });
    const { text } = await run(spawner, { path: "/bin/ls", args: ["/proc/self/fd"] });
    // 3 is the directory that ls reads.
    expect(text.trim().split("\n")).toEqual(["0", "1", "2", "3"]);
  });

  it.each([
    [100, 0],
    [65_536, 1],
    [1 << 20, 2],
    [10 << 20, 3],
  ])("hands over %d bytes of stdin whole", async (size) => {
    const stdin = new Uint8Array(size).fill(120);
    const { text } = await sh(spawner, "sha1sum; wc -c < /dev/null", { stdin });
    expect(text).toBe(`${createHash("sha1").update(stdin).digest("hex")}  -\n0\n`);
  });

  it.each(["exit 3", "exec 0<&-; sleep 0.1; exit 3", "head -c 10 >/dev/null; exit 3"])(
    "a request of 1 MB that %s leaves unread is no error",
    async (script) => {
      const result = await sh(spawner, script, { stdin: new Uint8Array(1 << 20) });
      expect(result).toMatchObject({ exitCode: 3, timedOut: false, killed: false });
      expect(result.durationMs).toBeLessThan(5_000);
      // What was left unread is nobody else's.
      expect((await sh(spawner, "cat", { stdin: "next" })).text).toBe("next");
    },
  );

  it("ends a plugin that prints more than the limit", async () => {
    const path = installNoop(createDirectory(), "flood", ["flood stdout"]);
    const result = await run(spawner, { path, limits: { stdoutBytes: 1000, stderrLines: 0 } });
    expect(result).toMatchObject({ outputTooLarge: true, killed: true, timedOut: false, signal: "SIGKILL" });
    expect(result.stdout.length).toBe(1000);
  });

  it("reads and drops a stderr without end", async () => {
    const path = installNoop(createDirectory(), "flood", ["flood stderr"]);
    const result = await run(spawner, { path, terminateMs: 300, limits: { stdoutBytes: 10, stderrLines: 2 } });
    expect(result.lines).toEqual(["y", "y", expect.stringContaining("suppressed")]);
    expect(result).toMatchObject({ timedOut: true, outputTooLarge: false });
  });

  it("hands on lines while the plugin runs", async () => {
    const gate = createGate();
    const script = `echo early >&2; ${gate.wait}; echo late >&2`;
    const lines: string[] = [];
    // It goes on when its first line has come.
    const onStderrLine = (line: string) => {
      lines.push(line);
      gate.open();
    };
    expect(await sh(spawner, script, { onStderrLine })).toMatchObject({ timedOut: false });
    expect(lines).toEqual(["early", "late"]);
  });

  it("keeps the pipes of a background child, which does not die of SIGPIPE", async () => {
    const gate = createGate();
    const path = installFile(
      createDirectory(),
      "tracer",
      `#!/bin/sh\n(${gate.wait}; echo late; echo late >&2; sleep 30) &\necho now\n`,
    );
    const lines: string[] = [];
    // It does not wait for the child.
    const result = await run(spawner, { path, onStderrLine: (line) => lines.push(line) });
    onTestFinished(() => endProcess(-result.pid));
    expect(result).toMatchObject({ text: "now\n", exitCode: 0 });
    expect(result.leftGroup).toBe(result.pid);
    gate.open();
    expect(await until(() => lines.includes("late"))).toBe(true);
    expect(process.kill(-result.pid, 0)).toBe(true);
  });
});

it.each([
  ["before it is written has taken nothing", 1, false],
  ["when a part of it is written may have seen it", 2, true],
])("a reader that closes the pipe of a request %s", (_, write, sent) => {
  const pair = new Int32Array(2);
  openNative().libc.pipe2(pair, closeOnExec | nonBlocking);
  const [reader = -1, writer = -1] = pair;
  let looks = 0;
  // Its length, which is more than a pipe takes, is looked at before each write.
  const request = Object.defineProperty(Buffer.alloc(1 << 20), "length", {
    get: () => {
      if (++looks === write) closeSync(reader);
      return 1 << 20;
    },
  });
  const end = new RequestWriter(writer);
  expect(end.send(request)).toBe(sent);
  end.close();
  expect(looks).toBe(write);
});
