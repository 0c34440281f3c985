import { describe, expect, it, vi } from "vitest";
import { Mux } from "../../src/nri/wire/mux.js";
import { ConnId } from "../../src/nri/wire/mux-frame.js";
import { concat, cut, hex, pattern, utf8 } from "../support/bytes.js";
import { muxFrame as frame, MemoryTrunk, settled } from "./support/memory.js";

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

describe("the mux", () => {
  it("brings each connection its bytes, however the trunk's are cut; those of others are dropped", () => {
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
    }
  });

  it.each([
    [10, [10]],
    [4095, [4095]],
    [4096, [4096]],
    [4097, [4096, 1]],
    [4 * 1024 * 1024 + 10, [4096, 4 * 1024 * 1024 + 10 - 4096]],
  ])("writes a message of %i bytes as one write, without copying, in frames of %j", (length, payloads) => {
    const { trunk, plugin } = open();
    const message = pattern(length);
    plugin.send(message);
    expect(trunk.writes).toHaveLength(1);
    const starts = payloads.map((_, at) => (at === 0 ? 0 : 4096));
    const frames = payloads.map((size, at) => frame(1, message.subarray(starts[at], (starts[at] ?? 0) + size)));
    expect(Buffer.compare(trunk.written(), concat(frames))).toBe(0);
    expect(trunk.writes[0]?.filter((part) => part.buffer === message.buffer)).toHaveLength(payloads.length);
  });

  it("never puts another message inside one, not even of another connection", () => {
    const { trunk, plugin, runtime } = open();
    plugin.send(pattern(5000));
    runtime.send(utf8("x"));
    plugin.send(utf8("y"));
    const expected = [frame(1, pattern(5000).subarray(0, 4096)), frame(1, pattern(5000).subarray(4096))];
    expect(trunk.written()).toEqual(concat([...expected, frame(2, utf8("x")), frame(1, utf8("y"))]));
  });
});

describe("the end of the mux", () => {
  it("comes for a frame beyond 16 MiB and 10 bytes, after the frames before it", async () => {
    const { trunk, arrived, closed } = open();
    trunk.receive(concat([frame(1, utf8("before")), hex("00000001 0100000b"), frame(1, utf8("after"))]));
    expect(arrived.plugin).toEqual([utf8("before")]);
    expect(trunk.closedWith).toMatchObject({ code: "FRAME_TOO_LARGE" });
    await settled();
    expect(closed).toHaveBeenCalledExactlyOnceWith(trunk.closedWith);
  });

  it.each([
    ["nothing, where the peer just ends", undefined],
    ["the trunk's error", new Error("ECONNRESET")],
  ])("comes with %s", async (_, error) => {
    const { trunk, closed } = open();
    trunk.end(error);
    await settled();
    expect(closed).toHaveBeenCalledExactlyOnceWith(error);
  });

  it("is told once to every channel and late listener, never from within close", async () => {
    const { mux, runtime, closed } = open();
    const late = vi.fn();
    mux.close(new Error("enough"));
    mux.close(new Error("again"));
    expect(closed).not.toHaveBeenCalled();
    await settled();
    runtime.onClose(late);
    expect(late).not.toHaveBeenCalled();
    await settled();
    for (const listener of [closed, late]) expect(listener).toHaveBeenCalledExactlyOnceWith(new Error("enough"));
  });

  it("lets nothing through any more, in either direction, and stops in the middle of a chunk", () => {
    const { trunk, mux, plugin, arrived } = open();
    mux.open(3).onData(() => mux.close());
    trunk.receive(concat([frame(1, utf8("a")), frame(3, utf8("close")), frame(1, utf8("b"))]));
    plugin.send(utf8("x"));
    trunk.receive(frame(1, utf8("y")));
    expect(trunk.writes).toEqual([]);
    expect(arrived.plugin).toEqual([utf8("a")]);
  });
});
