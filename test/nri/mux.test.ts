import { describe, expect, it, vi } from "vitest";
import { Mux } from "../../src/nri/wire/mux.js";
import { ConnId } from "../../src/nri/wire/mux-frame.js";
import { concat, cut, hex, pattern, utf8 } from "../support/bytes.js";
import { MemoryTrunk } from "./memory-trunk.js";

function frame(connId: number, payload: Uint8Array): Uint8Array {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(connId, 0);
  header.writeUInt32BE(payload.length, 4);
  return concat([header, payload]);
}

/** A mux with both NRI connections open, and what arrives on each. */
function open() {
  const trunk = new MemoryTrunk();
  const mux = new Mux(trunk);
  const [plugin, runtime] = [mux.open(ConnId.plugin), mux.open(ConnId.runtime)];
  const arrived: Record<"plugin" | "runtime", Uint8Array[]> = { plugin: [], runtime: [] };
  plugin.onData((chunk) => arrived.plugin.push(chunk));
  runtime.onData((chunk) => arrived.runtime.push(chunk));
  const closed = vi.fn();
  plugin.onClose(closed);
  return { trunk, mux, plugin, runtime, arrived, closed };
}

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("the mux", () => {
  it("brings each connection its bytes, however the trunk's are cut", () => {
    const bytes = concat([
      frame(1, utf8("one ")),
      frame(2, utf8("two ")),
      frame(1, hex("")),
      frame(7, utf8("not open")),
      frame(0, utf8("reserved")),
      frame(1, utf8("more")),
    ]);
    for (let length = 1; length <= bytes.length; length++) {
      const { trunk, arrived } = open();
      trunk.receive(...cut(bytes, length));
      expect([concat(arrived.plugin), concat(arrived.runtime)]).toEqual([utf8("one more"), utf8("two ")]);
      expect(arrived.plugin.map((chunk) => chunk.length)).not.toContain(0);
    }
  });

  it("writes a message as one write: 4096 bytes, then the rest, without copying", () => {
    const { trunk, plugin } = open();
    const message = pattern(10_000);
    plugin.send(message);
    expect(trunk.writes).toHaveLength(1);
    expect(trunk.written()).toEqual(concat([frame(1, message.subarray(0, 4096)), frame(1, message.subarray(4096))]));
    const payloads = trunk.writes[0]?.filter((part) => part.length > 8) ?? [];
    expect(payloads.map((part) => part.buffer === message.buffer)).toEqual([true, true]);
  });

  it("never puts another message inside one, not even of another connection", () => {
    const { trunk, plugin, runtime } = open();
    plugin.send(pattern(5000));
    runtime.send(utf8("x"));
    plugin.send(utf8("y"));
    const expected = [frame(1, pattern(5000).subarray(0, 4096)), frame(1, pattern(5000).subarray(4096))];
    expect(trunk.written()).toEqual(concat([...expected, frame(2, utf8("x")), frame(1, utf8("y"))]));
  });

  it("gives the same channel each time, and none for the reserved id", () => {
    const { mux, plugin } = open();
    expect(mux.open(ConnId.plugin)).toBe(plugin);
    expect(() => mux.open(0)).toThrow(expect.objectContaining({ code: "INTERNAL" }));
  });

  it("keeps what comes before a listener, and brings it first", () => {
    const trunk = new MemoryTrunk();
    const channel = new Mux(trunk).open(1);
    trunk.receive(frame(1, utf8("a")), frame(1, utf8("b")));
    const arrived: Uint8Array[] = [];
    channel.onData((chunk) => arrived.push(chunk));
    trunk.receive(frame(1, utf8("c")));
    expect(arrived).toEqual([utf8("a"), utf8("b"), utf8("c")]);
    expect(() => channel.onData(() => {})).toThrow(expect.objectContaining({ code: "INTERNAL" }));
  });

  const floods = [
    { title: "257 frames", chunks: Array.from({ length: 257 }, () => frame(1, utf8("x"))) },
    { title: "more than 16 MiB", chunks: Array.from({ length: 17 }, () => frame(1, new Uint8Array(1024 * 1024))) },
  ];
  it.each(floods)("closes the trunk for $title that nobody listens to", ({ chunks }) => {
    const trunk = new MemoryTrunk();
    new Mux(trunk).open(1);
    trunk.receive(...chunks.slice(0, -1));
    expect(trunk.closedWith).toBeUndefined();
    trunk.receive(...chunks.slice(-1));
    expect(trunk.closedWith).toMatchObject({ code: "PROTOCOL" });
  });
});

describe("the end of the mux", () => {
  it("comes for a frame beyond 16 MiB and 10 bytes, after the frames before it", async () => {
    const { trunk, arrived, closed } = open();
    trunk.receive(concat([frame(1, utf8("before")), hex("00000001 0100000b"), frame(1, utf8("after"))]));
    expect(arrived.plugin).toEqual([utf8("before")]);
    expect(trunk.closedWith).toMatchObject({ code: "FRAME_TOO_LARGE" });
    await tick();
    expect(closed).toHaveBeenCalledExactlyOnceWith(trunk.closedWith);
  });

  it("is orderly between two frames, and an error inside one", async () => {
    const whole = frame(1, utf8("ab"));
    for (let at = 0; at <= whole.length; at++) {
      const { trunk, closed } = open();
      trunk.receive(whole.subarray(0, at));
      trunk.end();
      await tick();
      const inside = at > 0 && at < whole.length;
      expect(closed.mock.calls, `after ${at} bytes`).toEqual([
        [inside ? expect.objectContaining({ code: "CONNECTION_CLOSED" }) : undefined],
      ]);
    }
  });

  it("is told once to every channel and late listener, never from within close or send", async () => {
    const { mux, runtime, closed } = open();
    const late = vi.fn();
    runtime.close(new Error("enough"));
    mux.close(new Error("again"));
    expect(closed).not.toHaveBeenCalled();
    await tick();
    mux.onClose(late);
    expect(late).not.toHaveBeenCalled();
    await tick();
    for (const listener of [closed, late]) {
      expect(listener).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ message: "enough" }));
    }
  });

  it("comes with the trunk's error", async () => {
    const { trunk, closed } = open();
    trunk.receive(frame(1, utf8("ab")).subarray(0, 5));
    trunk.end(new Error("ECONNRESET"));
    await tick();
    expect(closed).toHaveBeenCalledExactlyOnceWith(new Error("ECONNRESET"));
  });

  it("lets nothing through any more, in either direction", () => {
    const { trunk, mux, plugin, arrived } = open();
    mux.close();
    plugin.send(utf8("x"));
    trunk.receive(frame(1, utf8("y")));
    expect(trunk.writes).toEqual([]);
    expect(arrived.plugin).toEqual([]);
  });

  it("stops in the middle of a chunk when a listener closes it", () => {
    const { trunk, mux, runtime, arrived } = open();
    mux.onClose(() => {});
    const third = mux.open(3);
    third.onData(() => runtime.close());
    trunk.receive(concat([frame(1, utf8("a")), frame(3, utf8("close")), frame(1, utf8("b"))]));
    expect(arrived.plugin).toEqual([utf8("a")]);
  });

  it("comes with INTERNAL for a listener that throws, and takes nobody else along", async () => {
    const { trunk, mux, closed } = open();
    mux.open(3).onData(() => {
      throw new TypeError("a fault");
    });
    trunk.receive(frame(3, utf8("x")));
    await tick();
    expect(closed).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: "INTERNAL", cause: new TypeError("a fault") }),
    );
  });
});
