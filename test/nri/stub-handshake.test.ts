import { describe, expect, test } from "vitest";
import { BridgeError } from "../../src/base/errors.js";
import { usualEvents } from "../../src/bridge/bridge.js";
import { configureResponse, synchronizeRequest } from "../../src/nri/codec.js";
import type { EventName } from "../../src/nri/events.js";
import { Code } from "../../src/nri/ttrpc/status.js";
import type { ConfigureRequest } from "../../src/nri/types.js";
import { ConnId } from "../../src/nri/wire/mux-frame.js";
import { hex } from "../support/bytes.js";
import { collectLog } from "../support/collect-log.js";
import { allEvents } from "./support/nri-pair.js";
import { configureBytes, type PuppetConnection, puppetStub } from "./support/puppet-runtime.js";

async function registering(options: Parameters<typeof puppetStub>[0] = {}) {
  const started = await puppetStub(options);
  return { ...started, register: await started.connection.receive() };
}

describe("the stub registers", () => {
  test("with its name, index and NRI version, byte for byte, and with patience: the runtime takes its plugins one by one", async () => {
    const { register } = await registering({ identity: { name: "v010-bridge", index: "10" } });
    expect(register).toMatchObject({
      connId: ConnId.runtime,
      streamId: 1,
      request: {
        service: "nri.pkg.api.v1alpha1.Runtime",
        method: "RegisterPlugin",
        payload: hex("0a 0b 76 30 31 30 2d 62 72 69 64 67 65 12 02 31 30 1a 07 76 30 2e 31 32 2e 32"),
      },
    });
    expect(register.request?.timeoutNano).toBeGreaterThan(30_000_000_000n);
  });

  test.each(["after", "before"])("and takes Configure %s the answer", async (order) => {
    const { stub, connection, register } = await registering();
    if (order === "after") connection.respond(register.streamId);
    // 0x7ff: all that containerd 1.7 knows.
    expect(await connection.configure()).toMatchObject({
      ...{ connId: ConnId.plugin, streamId: 1 },
      response: { payload: hex("10 ff 0f") },
    });
    if (order === "before") connection.respond(register.streamId);
    expect(stub.ready).toBe(false);
    await connection.call("Synchronize");
    expect(stub.ready).toBe(true);
    // Configured again, it stays so.
    await connection.configure();
    expect(stub.ready).toBe(true);
  });

  test("and comes again after a Configure that nobody can read", async () => {
    const { end, connection } = await registering({ reconnect: false });
    const answer = await connection.call("Configure", hex("0a 7f"));
    expect(answer).toMatchObject({ response: { status: { code: Code.InvalidArgument } } });
    // With reconnect that is another try; what is given up for good is "misconfigured".
    expect(await end).toMatchObject({ kind: "lost" });
  });

  test("and knows the runtime by its Configure request and the time that it gives", async () => {
    const { stub, connection } = await registering();
    await connection.configure("1.7.24-1ubuntu0", { timeoutNano: 1_500_000_000n });
    const { requestTimeoutMs = 0, ...runtime } = stub.runtime ?? {};
    expect(runtime).toMatchObject({
      name: "containerd",
      version: "1.7.24-1ubuntu0",
      nri: { minor: 6, source: "inferred" },
    });
    expect(Math.abs(requestTimeoutMs - 1500)).toBeLessThan(50);
  });
});

describe("the events that a runtime is asked for", () => {
  const unstated = { NRIVersion: "0.0.0-unknown", requestTimeout: 2000n };
  const missing = [{ level: "warn", fields: { missing: ["UpdatePodSandbox"] } }];
  test.each<[string, readonly EventName[], Partial<ConfigureRequest>, number, object[]]>([
    ["are all there where it does not know its NRI version", usualEvents, unstated, 0x627, []],
    ["and that it does not know are told of in the log", [...usualEvents, "UpdatePodSandbox"], {}, 0x627, missing],
  ])("%s", async (_, events, fields, mask, lines) => {
    const log = collectLog();
    const { connection } = await registering({ log, handlers: { configure: () => events } });
    const answer = await connection.call("Configure", configureBytes("1.7.24", fields));
    expect(configureResponse.decode(answer.response?.payload ?? hex(""))).toEqual({ events: mask });
    expect(log.lines.filter(({ level }) => level !== "info")).toMatchObject(lines);
  });
});

describe("a connection that ends is lost, and the end tells how far it had come", () => {
  type Step = (connection: PuppetConnection) => Promise<unknown>;
  const registered: Step = async (connection) => connection.respond((await connection.receive()).streamId);
  const configured: Step = async (connection) => {
    await registered(connection);
    await connection.configure();
  };
  const hanging = { synchronize: () => new Promise<never>(() => {}) };
  const inSynchronize: Step = async (connection) => {
    await configured(connection);
    connection.request("Synchronize", synchronizeRequest.encode({ pods: [], containers: [], more: false }));
    await new Promise(setImmediate);
  };

  const hangUp =
    (step: Step, ...bytes: Uint8Array[]): Step =>
    async (connection) => {
      await step(connection);
      connection.send(...bytes);
      connection.socket.end();
    };
  const ready: Step = (connection) => connection.handshake();
  const garbage: Step = async (connection) => {
    await connection.handshake();
    connection.send(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"));
  };

  test.each<[string, string, Step, string | undefined]>([
    ["before the answer to RegisterPlugin", "registering", hangUp((connection) => connection.receive()), undefined],
    ["before Configure", "registering", hangUp(registered), undefined],
    ["before Synchronize", "synchronizing", hangUp(configured), undefined],
    ["inside Synchronize", "synchronizing", hangUp(inSynchronize), undefined],
    ["when ready", "ready", hangUp(ready), undefined],
    ["inside a frame", "ready", hangUp(ready, hex("00 00 00 01 00 00")), undefined],
    ["by garbage: the stub hangs up", "ready", garbage, "FRAME_TOO_LARGE"],
    ["by silence: the stub hangs up", "registering", async () => {}, "CALL_TIMEOUT"],
    ["by silence after the registration", "registering", registered, "CALL_TIMEOUT"],
  ])("%s: %s", async (title, phase, step, code) => {
    const hangsInSynchronize = { ...allEvents, ...(title === "inside Synchronize" ? hanging : {}) };
    const patience = code === "CALL_TIMEOUT" ? { registrationTimeoutMs: 100 } : {};
    const { connection, end } = await puppetStub({ handlers: hangsInSynchronize, ...patience });
    await step(connection);
    expect(await end).toMatchObject({ kind: "lost", phase, ...(code === undefined ? {} : { error: { code } }) });
    if (code === undefined) expect(await end).not.toHaveProperty("error");
    await connection.closed;
  });

  test("but Synchronize may be long in coming: the runtime waits for its own lock first", async () => {
    const { stub, connection } = await puppetStub({ registrationTimeoutMs: 50 });
    await configured(connection);
    await new Promise((resolve) => setTimeout(resolve, 150));
    await connection.call("Synchronize");
    expect(stub.ready).toBe(true);
  });
});

describe("a registration that cannot be", () => {
  test("is refused by the runtime, and not tried again", async () => {
    const { connection, end, register } = await registering({ reconnect: true });
    connection.respond(register.streamId, { status: { code: Code.Unknown, message: "invalid plugin index" } });
    expect(await end).toMatchObject({
      kind: "refused",
      error: { code: Code.Unknown, message: "invalid plugin index" },
    });
    await connection.closed;
  });

  test("is given up when our own handler refuses the configuration, once the runtime has been told", async () => {
    const configure = () => Promise.reject(new BridgeError("CONFIG", "no such key: conff"));
    const { connection, end, register } = await registering({ reconnect: true, handlers: { configure } });
    connection.respond(register.streamId);
    expect(await connection.configure()).toMatchObject({
      response: { status: { code: Code.Unknown, message: "no such key: conff" } },
    });
    expect(await end).toMatchObject({ kind: "misconfigured", error: { code: "CONFIG" } });
  });
});
