import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeEvent, encodeEvent, type NriEvent, noRequest } from "../../src/nri/events.js";
import type { CallContext } from "../../src/nri/handlers.js";
import { requestToJson } from "../../src/nri/json.js";
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from "../../src/nri/ttrpc/envelope.js";
import { ConnId, encodeMuxFrames } from "../../src/nri/wire/mux-frame.js";
import { encodeTtrpcFrame, MessageType } from "../../src/nri/wire/ttrpc-frame.js";
import { concat, cut } from "../support/bytes.js";
import { MessageReader, type WireMessage } from "./support/message-reader.js";
import { allEvents, connectPair, containerd17 } from "./support/nri-pair.js";
import { puppetStub } from "./support/puppet-runtime.js";
import { recordedCalls } from "./support/recordings.js";

const wire = new URL("../../fixtures/wire/", import.meta.url);
const fromRuntime = new Uint8Array(readFileSync(new URL("runtime-to-plugin.bin", wire)));
const fromGoPlugin = new Uint8Array(readFileSync(new URL("plugin-to-runtime.bin", wire)));

/** The messages of one direction; all of them, where their count is right. */
function read(chunks: Iterable<Uint8Array>): WireMessage[] {
  const reader = new MessageReader();
  return [...chunks].flatMap((chunk) => reader.push(chunk));
}

/** The answers to the runtime's calls, as bytes by stream id. */
function answers(bytes: Uint8Array): Map<number, string> {
  const ofPlugin = read([bytes]).filter(({ connId }) => connId === ConnId.plugin);
  return new Map(ofPlugin.map(({ streamId, body }) => [streamId, Buffer.from(body).toString("hex")]));
}

/** The same message, decoded and encoded again down to the mux. */
function writeAgain({ connId, streamId, type, body }: WireMessage): Uint8Array[] {
  const isRequest = type === MessageType.request;
  const again = isRequest ? encodeRequest(decodeRequest(body)) : encodeResponse(decodeResponse(body));
  return encodeMuxFrames(connId, encodeTtrpcFrame(streamId, type, again));
}

test.each([
  ["runtime->plugin", fromRuntime],
  ["plugin->runtime", fromGoPlugin],
])(
  "a recorded connection is read the same in the chunks that it came in, and written to the same bytes: %s",
  (mark, bytes) => {
    const lines = readFileSync(new URL("chunks.jsonl", wire), "utf8").trim().split("\n");
    const reads = lines.filter((line) => line.includes(mark)).map((line) => Number(/"len":(\d+)/.exec(line)?.[1]));
    for (const lengths of [reads, [bytes.length]]) {
      const messages = read(cut(bytes, ...lengths));
      expect(messages).toHaveLength(135);
      expect(Buffer.compare(concat(messages.flatMap(writeAgain)), bytes)).toBe(0);
    }
  },
);

describe("a recorded connection of containerd 1.7.24", () => {
  const goAnswers = answers(fromGoPlugin);

  test.each([fromRuntime.length, 4093, 97])(
    "in pieces of %i bytes: our answers are those of the Go plugin, byte for byte",
    async (length) => {
      let events = 0;
      const handle = async ({ name }: NriEvent) => {
        events += 1;
        // The Go logger plugin answers with an adjustment that says nothing.
        return name === "CreateContainer" ? { adjust: {}, update: [] } : noRequest;
      };
      const { connection } = await puppetStub({ handlers: { ...allEvents, handle } });
      await connection.receive();
      // Of the registration.
      connection.bytes.splice(0);
      for (const piece of cut(fromRuntime, length)) {
        connection.send(piece);
        await new Promise(setImmediate);
      }
      for (let received = 0; received < goAnswers.size; received += 1) await connection.receive();
      expect(answers(concat(connection.bytes))).toEqual(goAnswers);
      // All but Configure and Synchronize.
      expect(events).toBe(goAnswers.size - 2);
    },
  );
});

describe("the recorded events of containerd 1.7.24", () => {
  const calls = recordedCalls();

  test("are written by the runtime of this house in the same dialect, byte for byte", () => {
    expect(calls.length).toBeGreaterThanOrEqual(204);
    for (const { where, method, payload } of calls) {
      const event = decodeEvent(method, payload);
      if (event === undefined) throw new Error(`${where} brings no event`);
      const written = encodeEvent(event.name, event, method === "StateChange" ? "StateChange" : "own");
      expect(written.method, where).toBe(method);
      expect(Buffer.compare(written.payload, payload), where).toBe(0);
    }
  });

  test("read sparingly have all that a v0.1 request is made of, and no more", () => {
    for (const { where, method, payload } of calls) {
      const whole = decodeEvent(method, payload);
      const sparing = decodeEvent(method, payload, true);
      if (whole === undefined || sparing === undefined) throw new Error(`${where} brings no event`);
      expect(sparing).toMatchObject({ name: whole.name, pod: whole.pod });
      expect("container" in sparing).toBe("container" in whole);
      if (!("container" in whole) || !("container" in sparing)) continue;
      const { id, podSandboxId, name, state, labels, annotations, pid, linux } = whole.container;
      const { namespaces, resources, cgroupsPath } = linux ?? {};
      const nothing = { args: [], env: [], mounts: [], rlimits: [], createdAt: 0n };
      const kept = { id, podSandboxId, name, state, labels, annotations, pid };
      expect(sparing.container, where).toMatchObject({ ...kept, ...nothing });
      expect(sparing.container.linux).toMatchObject({ namespaces, resources, cgroupsPath });
      expect(whole.container.mounts).not.toEqual([]);
    }
  });

  test("are replayed as they were to a plugin, which sees each as it was printed when recorded", async () => {
    const seen: unknown[] = [];
    const handle = async (_: NriEvent, { method, payload, metadata }: CallContext) => {
      seen.push([method, metadata, JSON.parse(JSON.stringify(requestToJson(method, payload)))]);
      return noRequest;
    };
    const { plugin } = await connectPair({ handle }, containerd17);
    for (const { method, payload, timeoutNano, metadata } of calls) {
      expect(await plugin.raw(method, payload, { timeoutNano, metadata })).toMatchObject({ dropped: false });
    }
    expect(seen).toEqual(calls.map(({ method, metadata, body }) => [method, metadata, body]));
  });
});
