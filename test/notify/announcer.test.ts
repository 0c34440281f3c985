import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Deadline } from "../../src/deadline.js";
import { openNative } from "../../src/ffi/native.js";
import type { Log } from "../../src/logger.js";
import { type Condition, startAnnouncer } from "../../src/notify/announcer.js";
import { createNotificationSender } from "../../src/notify/send.js";
import { readNotifySettings, withoutNotifySettings } from "../../src/notify/settings.js";
import { createRuntime } from "../../src/nri/runtime.js";
import { startProgram } from "../support/program.js";

const folder = mkdtempSync(join(tmpdir(), "bridge-notify-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const nothing = () => {};
const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** What a service manager has: a datagram socket, and the sender's pid as the kernel tells it. */
const manager = `
import socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind(sys.argv[1].replace("@", "\\0", 1) if sys.argv[1].startswith("@") else sys.argv[1])
print("bound", flush=True)
while True:
    data, extra, _, _ = s.recvmsg(4096, 256)
    pid = struct.unpack("3i", extra[0][2])[0] if extra else 0
    print(pid, data.decode().replace("\\n", " | "), flush=True)
`;

async function startManager(address: string) {
  const child = spawn("python3", ["-c", manager, address], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (more) => {
    text += more;
  });
  const until = async (pattern: RegExp, limitMs = 10_000) => {
    const end = performance.now() + limitMs;
    while (!pattern.test(text)) {
      if (performance.now() > end) throw new Error(`no ${pattern} in ${limitMs} ms: ${text}`);
      await new Promise((wait) => setTimeout(wait, 10));
    }
    return text;
  };
  await until(/^bound/);
  return { until, close: () => child.kill("SIGKILL") };
}

describe("what a service manager set in our environment", () => {
  it.each([
    [{}, undefined],
    [{ NOTIFY_SOCKET: "/run/n" }, { socket: "/run/n", watchdogMs: undefined }],
    [
      { NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "3000000" },
      { socket: "@n", watchdogMs: 3000 },
    ],
    [
      { NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "3000000", WATCHDOG_PID: "7" },
      { socket: "@n", watchdogMs: 3000 },
    ],
    [
      { NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "3000000", WATCHDOG_PID: "8" },
      { socket: "@n", watchdogMs: undefined },
    ],
    [
      { NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "no" },
      { socket: "@n", watchdogMs: undefined },
    ],
    [{ NOTIFY_SOCKET: "vsock:2:1234" }, undefined],
  ])("%j is %j", (environment, settings) => {
    expect(readNotifySettings(environment, 7)).toEqual(settings);
  });

  it("is kept from plugins", () => {
    const all = { NOTIFY_SOCKET: "/n", WATCHDOG_USEC: "1", WATCHDOG_PID: "1", PATH: "/bin" };
    expect(withoutNotifySettings(all)).toEqual({ PATH: "/bin" });
  });
});

describe("a notification", () => {
  const noLibrary = () => {
    throw new Error("no FFI library");
  };
  it.each([
    ["by the FFI library, to a path", join(folder, "n1"), openNative],
    ["by the FFI library, to an abstract socket", `@bridge-notify-${process.pid}`, openNative],
    ["by systemd-notify", join(folder, "n2"), noLibrary],
  ])("arrives %s, from our own pid", async (_, address, open) => {
    const service = await startManager(address);
    try {
      const errors: unknown[] = [];
      createNotificationSender((error) => errors.push(error), open)(address, ["READY=1", "STATUS=at work"]);
      const text = await service.until(/STATUS=/);
      expect(text).toContain(`\n${process.pid} READY=1 | STATUS=at work`);
      expect(errors).toEqual([]);
    } finally {
      service.close();
    }
  });

  it("to nobody is told, not thrown", () => {
    const errors: unknown[] = [];
    createNotificationSender((error) => errors.push(error))(join(folder, "none"), ["READY=1"]);
    expect(String(errors)).toContain("sendto: ENOENT");
    createNotificationSender((error) => errors.push(error))(`/${"x".repeat(200)}`, ["READY=1"]);
    expect(String(errors[1])).toContain("longer than an address");
  });
});

describe("an announcer", () => {
  /** Time that only passes when told, for tests that need no timers. */
  function start(watchdogMs: number | undefined) {
    const sent: string[] = [];
    let now = 0;
    let condition: Condition = { ready: false, text: "waiting" };
    const announcer = startAnnouncer({
      settings: { socket: "/n", watchdogMs },
      look: () => condition,
      log: silent,
      send: (_, assignments) => sent.push(assignments.join(" ")),
      clock: () => now,
      lookEachMs: 1,
    });
    return {
      sent,
      announcer,
      async at(ms: number, next: Condition = condition) {
        now = ms;
        condition = next;
        await new Promise((wait) => setTimeout(wait, 20));
      },
    };
  }

  it("says what it is at, and READY once, when events are delivered", async () => {
    const { sent, announcer, at } = start(undefined);
    await at(100, { ready: true, text: "serves containerd 2.1.9" });
    await at(200, { ready: false, text: "waiting" });
    await at(300, { ready: true, text: "serves containerd 2.1.9" });
    announcer.stopping();
    await at(400, { ready: false, text: "waiting" });
    announcer.close();
    expect(sent).toEqual([
      "STATUS=waiting",
      "READY=1 STATUS=serves containerd 2.1.9",
      "STATUS=waiting",
      "STATUS=serves containerd 2.1.9",
      "STOPPING=1 STATUS=finishing what runs",
    ]);
  });

  it("does not hold up the boot for a runtime that does not come", async () => {
    const { sent, announcer, at } = start(undefined);
    await at(19_999);
    expect(sent).toEqual(["STATUS=waiting"]);
    await at(20_000);
    announcer.close();
    expect(sent).toEqual(["STATUS=waiting", "READY=1"]);
  });

  it("beats three times in the watchdog's time", async () => {
    const { sent, announcer, at } = start(3_000);
    for (const ms of [999, 1_000, 1_999, 2_000, 3_000]) await at(ms);
    announcer.close();
    expect(sent.filter((text) => text === "WATCHDOG=1")).toHaveLength(3);
  });
});

describe("the program under a service manager", () => {
  it("is ready when the runtime has synchronized it", async () => {
    const socket = join(folder, "n4");
    const service = await startManager(socket);
    const runtime = await createRuntime({
      socketPath: join(folder, "nri.sock"),
      name: "containerd",
      version: "v2.1.9",
    });
    const args = ["run", "--socket", join(folder, "nri.sock"), "--state", "memory"];
    const bridge = startProgram(args, { ...process.env, NOTIFY_SOCKET: socket });
    try {
      await runtime.accept(Deadline.after(10_000));
      expect(await service.until(/READY=1/)).toMatch(/READY=1( \| .*)?STATUS=serves containerd v2\.1\.9/);
    } finally {
      bridge.child.kill("SIGKILL");
      await runtime.close();
      service.close();
    }
  });

  it("says what it waits for, beats, and says that it stops", async () => {
    const socket = join(folder, "n3");
    const service = await startManager(socket);
    const environment = { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: "600000" };
    const bridge = startProgram(["run", "--socket", join(folder, "none.sock"), "--state", "memory"], environment);
    try {
      expect(await service.until(/STATUS=/)).toMatch(/STATUS=waiting for the runtime at .*none\.sock/);
      await service.until(/WATCHDOG=1.*\n(.*\n)*.*WATCHDOG=1/);
      bridge.child.kill("SIGTERM");
      expect(await service.until(/STOPPING=1/)).not.toContain("READY=1");
      expect((await bridge.ended).code).toBe(0);
    } finally {
      bridge.child.kill("SIGKILL");
      service.close();
    }
  });
});
