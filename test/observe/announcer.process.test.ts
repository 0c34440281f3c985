import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { silentLog } from "../../src/base/logger.js";
import { openNative } from "../../src/host/native.js";
import {
  type Condition,
  createNotificationSender,
  readNotifySettings,
  startAnnouncer,
  statusLine,
  withoutNotifySettings,
} from "../../src/observe/systemd.js";
import { TestNode } from "../robustness/support/test-node.js";
import { collectLog } from "../support/collect-log.js";
import { makeFolder } from "../support/places.js";

const folder = makeFolder(afterAll);

/** What a service manager has: a datagram socket, and the sender's pid as the kernel tells it. */
const manager = `
import os, socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind(sys.argv[1].replace("@", "\\0", 1) if sys.argv[1].startswith("@") else sys.argv[1])
print("bound", flush=True)
while True:
    data, extra, _, _ = s.recvmsg(4096, 256)
    for _, kind, content in extra:
        if kind == socket.SCM_CREDENTIALS:
            pid = struct.unpack("3i", content)[0]
        else:
            # systemd-notify waits until it is closed, which says that all before it has been read.
            os.close(struct.unpack("i", content)[0])
    print(pid, data.decode().replace("\\n", " | "), flush=True)
`;

async function startManager(address: string) {
  const child = spawn("python3", ["-c", manager, address], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let told = "";
  child.stdout.setEncoding("utf8").on("data", (more) => {
    told += more;
  });
  const until = async (pattern: RegExp, limitMs = 10_000) => {
    const end = performance.now() + limitMs;
    while (!pattern.test(told)) {
      if (performance.now() > end) throw new Error(`no ${pattern} in ${limitMs} ms: ${told}`);
      await new Promise((wait) => setTimeout(wait, 10));
    }
    return told;
  };
  await until(/^bound/);
  return Object.assign(until, { stop: () => child.kill("SIGSTOP") });
}

describe("what a service manager set in our environment", () => {
  const three = { NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "3000000" };
  it.each([
    [{}, undefined],
    [{ NOTIFY_SOCKET: "/run/n" }, { socket: "/run/n", watchdogMs: undefined }],
    [three, { socket: "@n", watchdogMs: 3000 }],
    [
      { ...three, WATCHDOG_PID: "8" },
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

const noLibrary = () => {
  throw new Error("no FFI library");
};

describe("a notification", () => {
  it.each([
    ["by the FFI library, to a path", join(folder, "n1"), openNative],
    ["by the FFI library, to an abstract socket", `@bridge-notify-${process.pid}`, openNative],
    ["by systemd-notify", join(folder, "n2"), noLibrary],
  ])("arrives %s, from our own pid", async (_, address, open) => {
    const told = await startManager(address);
    await createNotificationSender(open)(address, ["READY=1", "STATUS=at work"]);
    expect(await told(/STATUS=/)).toContain(`\n${process.pid} READY=1 | STATUS=at work`);
  });

  it.each<[string, string, string, typeof openNative, RegExp]>([
    ["without a manager", join(folder, "none"), "READY=1", openNative, /sendto: ENOENT/],
    ["to an address too long", `/${"x".repeat(200)}`, "READY=1", openNative, /longer than an address/],
    ["too long for a program", join(folder, "none"), `STATUS=${"v".repeat(200_000)}`, noLibrary, /E2BIG/],
    ["that no program takes", join(folder, "none"), "STATUS=v\0", noLibrary, /null bytes/],
  ])("%s fails", async (_, address, assignment, open, why) => {
    const send = createNotificationSender(open);
    await expect((async () => send(address, [assignment]))()).rejects.toThrow(why);
  });

  it("to a manager that reads nothing never waits", async () => {
    const address = join(folder, "full");
    (await startManager(address)).stop();
    const send = createNotificationSender();
    const began = performance.now();
    // More than net.unix.max_dgram_qlen lets queue.
    const sendMany = async () => {
      for (let count = 0; count < 2_000; count++) await send(address, ["WATCHDOG=1"]);
    };
    await expect(sendMany()).rejects.toThrow("sendto: EAGAIN");
    expect(performance.now() - began).toBeLessThan(4_000);
  });
});

/** Time that only passes when told, for tests that need no timers. */
function start(watchdogMs: number | undefined) {
  const sent: string[] = [];
  let now = 0;
  let condition: Condition = { ready: false, text: "waiting" };
  const announcer = startAnnouncer({
    settings: { socket: "/n", watchdogMs },
    look: () => condition,
    log: silentLog,
    send(_, assignments) {
      sent.push(assignments.join(" ").replace(/ WATCHDOG=1$/, ""));
    },
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

describe("an announcer", () => {
  it("says what it is at, and READY from when events are delivered on", async () => {
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
      "READY=1 STATUS=waiting",
      "READY=1 STATUS=serves containerd 2.1.9",
      "STOPPING=1 STATUS=waiting for plugins",
    ]);
  });

  it("does not hold up the boot for a runtime that does not come", async () => {
    const { sent, announcer, at } = start(undefined);
    await at(19_999);
    expect(sent).toEqual(["STATUS=waiting"]);
    await at(20_000);
    announcer.close();
    expect(sent).toEqual(["STATUS=waiting", "READY=1 STATUS=waiting"]);
  });

  it("beats three times in the watchdog's time", async () => {
    const { sent, announcer, at } = start(3_000);
    for (const ms of [999, 1_000, 1_999, 2_000, 3_000]) await at(ms);
    announcer.close();
    // The first one said what it is at.
    expect(sent).toHaveLength(1 + 3);
  });
});

describe("what does not reach the manager", () => {
  it("is said again: READY too", async () => {
    const socket = join(folder, "late");
    const log = collectLog();
    const announcer = startAnnouncer({
      settings: { socket, watchdogMs: undefined },
      look: () => ({ ready: true, text: "serves containerd" }),
      log,
    });
    onTestFinished(() => announcer.close());
    await expect
      .poll(() => log.lines)
      .toMatchObject([
        {
          sentence: "systemd gets no status: with WatchdogSec it may restart the bridge",
        },
      ]);
    const told = await startManager(socket);
    expect(await told(/STATUS=/)).toMatch(/READY=1 \| STATUS=serves containerd \| WATCHDOG=1\n/);
  });
});

describe("a status", () => {
  it.each([
    ["a\nb\r\n\0c\x7f", "a b c "],
    ["é".repeat(300), "é".repeat(200)],
    ["😀".repeat(300), "😀".repeat(200)],
    [`${"a".repeat(399)}😀`, "a".repeat(200)],
    ["a\ud83d", "a\ufffd"],
  ])("is one short line", (text, line) => expect(statusLine(text)).toBe(line));
});

describe("the program under a service manager", () => {
  it("says what it waits for, beats, is ready when a runtime has synchronized it, and says that it stops", async () => {
    const socket = join(folder, "n3");
    const told = await startManager(socket);
    const own = { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "600000" };
    // Whatever the runtime calls itself.
    const version = `v2\0${"1".repeat(300_000)}`;
    const node = new TestNode({ own, runtime: { version, nriVersion: "v0.8.0" } });
    const bridge = node.start();
    expect(await told(/STATUS=/)).toMatch(/STATUS=waiting for the runtime at .*nri\.sock/);
    expect(await told(/WATCHDOG=1.*\n(.*\n)*.*WATCHDOG=1/)).not.toContain("READY=1");
    const runtime = await node.listen();
    await runtime.accept(Deadline.after(10_000));
    expect(await told(/READY=1/)).toMatch(/READY=1 \| STATUS=serves containerd v2 1+ /);
    bridge.child.kill("SIGTERM");
    await told(/STOPPING=1/);
    expect((await bridge.ended).code).toBe(0);
  });
});
