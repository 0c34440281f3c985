import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import { silentLog } from "../../src/base/logger.js";

import { Session } from "../../src/nri/session.js";
import { decodeResponse, encodeResponse } from "../../src/nri/ttrpc/envelope.js";
import { ConnId, encodeMuxFrames } from "../../src/nri/wire/mux-frame.js";
import { encodeTtrpcFrame, MessageType } from "../../src/nri/wire/ttrpc-frame.js";
import { MemoryTrunk } from "../nri/support/memory.js";
import { MessageReader } from "../nri/support/message-reader.js";
import { allEvents } from "../nri/support/nri-pair.js";
import { configureBytes, requestBytes } from "../nri/support/puppet-runtime.js";
import { TestNode } from "../robustness/support/test-node.js";
import { methods, payloadsOf, trunks } from "./examples.js";
import { mutated } from "./mutations.js";
import { parametersFor, seconds, watchRun } from "./run.js";

const counts = watchRun();

it(
  "the program answers each call of a session, whatever its payload, and stays connected",
  async () => {
    const node = new TestNode({ config: { log: { level: "silent" } }, limitMs: seconds * 4_000 + 60_000 });
    node.writeConf();
    const { plugin, program } = await node.connect();
    const answers = new Map<string, number>();
    const call = fc.constantFrom(...methods, "ValidateContainerAdjustment", "NoSuchCall").chain((method) => {
      const examples = methods.includes(method) ? payloadsOf(method) : payloadsOf("StateChange");
      return mutated(examples).map((payload) => ({ method, payload }));
    });
    await fc.assert(
      fc.asyncProperty(call, async ({ method, payload }) => {
        const { dropped, error } = await plugin.raw(method, payload, { timeoutNano: 5_000_000_000n });
        expect(dropped).toBe(false);
        const code = error?.code ?? "OK";
        answers.set(code, (answers.get(code) ?? 0) + 1);
      }),
      parametersFor(seconds * 500),
    );
    counts.push(`calls to the program: ${JSON.stringify(Object.fromEntries(answers))}`);
    expect(["OK", "INVALID_ARGUMENT", "UNIMPLEMENTED"]).toEqual(expect.arrayContaining([...answers.keys()]));
    expect(answers.get("INVALID_ARGUMENT")).toBeGreaterThan(0);
    expect(program.child.exitCode).toBeNull();
  },
  seconds * 4_000 + 60_000,
);

/** The runtime's part of a handshake up to a session that is ready. */
const registered = encodeTtrpcFrame(1, MessageType.response, encodeResponse({ payload: new Uint8Array(0) }));
const handshake = [
  Buffer.concat(encodeMuxFrames(ConnId.runtime, registered)),
  requestBytes(1, "Configure", configureBytes("1.7.24")),
  requestBytes(3, "Synchronize"),
];

/** The stream ids that a session has answered on the plugin's channel, each as often as it did. */
function answered(trunk: MemoryTrunk): number[] {
  return new MessageReader().push(trunk.written()).flatMap(({ connId, streamId, body }) => {
    if (connId !== ConnId.plugin) return [];
    decodeResponse(body);
    return [streamId];
  });
}

it(
  "a session that reads any bytes goes on or ends, and answers no call twice",
  async () => {
    let runs = 0;
    const several = trunks.slice(0, 6).map((bytes) => Buffer.concat([bytes, ...trunks.slice(0, 4)]));
    const rest = mutated([...trunks, ...several]);
    await fc.assert(
      fc.asyncProperty(rest, fc.integer({ min: 1, max: 300 }), async (bytes, chunk) => {
        runs += 1;
        const trunk = new MemoryTrunk();
        const session = new Session(trunk, {
          identity: { name: "fuzz", index: "10" },
          handlers: { ...allEvents, synchronize: async () => [] },
          log: silentLog,
          registrationTimeoutMs: 10_000,
          synchronizeWithinMs: 10_000,
        });
        trunk.receive(...handshake.slice(0, 2));
        await nextTurn();
        trunk.receive(...handshake.slice(2));
        await nextTurn();
        expect(session.phase).toBe("ready");
        const before = answered(trunk).length;
        for (let at = 0; at < bytes.length && trunk.closedWith === undefined; at += chunk) {
          trunk.receive(bytes.slice(at, at + chunk));
        }
        await nextTurn();
        await nextTurn();
        const streams = answered(trunk).slice(before);
        // Refused as used before, a stream is answered as often as it is used.
        expect(streams.length).toBeLessThanOrEqual(1 + bytes.length / 18);
        session.close();
        await session.ended;
      }),
      parametersFor(seconds * 500),
    );
    counts.push(`sessions: ${runs}`);
  },
  seconds * 4_000 + 60_000,
);
