import { describe, expect, test } from "vitest";
import { BridgeError } from "../../src/base/errors.js";
import {
  configureRequest,
  configureResponse,
  container,
  containerRequest,
  createContainerResponse,
  type MessageCodec,
  registerPluginRequest,
  stateChangeRequest,
  synchronizeRequest,
  synchronizeResponse,
} from "../../src/nri/codec.js";
import { hex } from "../support/bytes.js";
import { recordedCalls } from "./support/recordings.js";

/** The messages of PROTOCOL's example session, computed by hand from the layouts. */
const examples: [title: string, codec: MessageCodec<object>, bytes: string, message: object][] = [
  [
    "RegisterPlugin",
    registerPluginRequest,
    "0a 0b 76 30 31 30 2d 62 72 69 64 67 65 12 02 31 30 1a 07 76 30 2e 31 32 2e 32",
    { pluginName: "v010-bridge", pluginIdx: "10", NRIVersion: "v0.12.2" },
  ],
  [
    "Configure",
    configureRequest,
    "12 0a 63 6f 6e 74 61 69 6e 65 72 64 1a 06 76 32 2e 33 2e 34 20 88 27 28 d0 0f 32 07 76 30 2e 31 32 2e 30",
    {
      config: "",
      runtimeName: "containerd",
      runtimeVersion: "v2.3.4",
      registrationTimeout: 5000n,
      requestTimeout: 2000n,
      NRIVersion: "v0.12.0",
    },
  ],
  ["the answer to Configure", configureResponse, "10 a3 0c", { events: 0x623 }],
  ["the answer to a part of Synchronize", synchronizeResponse, "10 01", { update: [], more: true }],
  ["the last answer to Synchronize", synchronizeResponse, "", { update: [], more: false }],
];

const pod = {
  id: "p1",
  name: "web-0",
  uid: "",
  namespace: "default",
  labels: {},
  annotations: {},
  runtimeHandler: "",
  pid: 4242,
  ips: [],
};
const app = {
  ...container.decode(hex("")),
  id: "c1",
  podSandboxId: "p1",
  name: "app",
  state: "CONTAINER_CREATED",
  pid: 4300,
  linux: { namespaces: [], devices: [], cgroupsPath: "/kubepods/besteffort/podx/c1", sysctl: {}, netDevices: {} },
};
const podBytes = "0a 02 70 31 12 05 77 65 62 2d 30 22 07 64 65 66 61 75 6c 74 48 92 21";
const appBytes = `0a 02 63 31 12 02 70 31 1a 03 61 70 70 20 01
  5a 1e 2a 1c 2f 6b 75 62 65 70 6f 64 73 2f 62 65 73 74 65 66 66 6f 72 74 2f 70 6f 64 78 2f 63 31 60 cc 21`;

examples.push(
  ["a part of Synchronize", synchronizeRequest, `0a 17 ${podBytes} 18 01`, { pods: [pod], containers: [], more: true }],
  ["StartContainer", containerRequest, `0a 17 ${podBytes} 12 32 ${appBytes}`, { pod, container: app }],
  [
    "the same as StateChange",
    stateChangeRequest,
    `08 06 12 17 ${podBytes} 1a 32 ${appBytes}`,
    { event: "START_CONTAINER", pod, container: app },
  ],
);

describe("messages computed by hand", () => {
  test.each(examples)("%s reads and writes", (_title, codec, bytes, message) => {
    expect(codec.decode(hex(bytes))).toEqual(message);
    expect(Buffer.from(codec.encode(message))).toEqual(Buffer.from(hex(bytes)));
  });
});

describe("what another writer may do", () => {
  test("a number may take more bytes than it needs, and a negative one takes ten", () => {
    expect(container.decode(hex("60 cc a1 80 00")).pid).toBe(4300);
    expect(container.decode(hex("88 01 ff ff ff ff ff ff ff ff ff 01")).exitCode).toBe(-1);
    expect(container.decode(hex("70 ff ff ff ff ff ff ff ff 7f")).createdAt).toBe(2n ** 63n - 1n);
  });

  test("a list of numbers may be packed or not", () => {
    // user { additional_gids: 1, 300 }
    expect(container.decode(hex("aa 01 05 1a 03 01 ac 02")).user?.additionalGids).toEqual([1, 300]);
    expect(container.decode(hex("aa 01 05 18 01 18 ac 02")).user?.additionalGids).toEqual([1, 300]);
  });

  test("an empty Optional message is a zero, an absent one nothing", () => {
    // linux { resources { memory { limit {} } } }
    const memory = container.decode(hex("5a 06 1a 04 0a 02 0a 00")).linux?.resources?.memory;
    expect(memory).toEqual({ limit: 0n });
  });

  test("a message that comes in two parts is one", () => {
    const [first, second] = [hex("5a 03 2a 01 61"), hex("5a 06 1a 04 0a 02 0a 00")];
    const linux = container.decode(Buffer.concat([first, second])).linux;
    expect(linux).toMatchObject({ cgroupsPath: "a", resources: { memory: { limit: 0n } } });
  });

  test("a map's entry may lack its key or its value, and its last word counts", () => {
    expect({ ...container.decode(hex("2a 00")).labels }).toEqual({ "": "" });
    expect({ ...container.decode(hex("2a 09 12 01 78 0a 01 61 12 01 79")).labels }).toEqual({ a: "y" });
  });

  test("fields of a later NRI are passed over, whatever their wire type", () => {
    const unknown = hex("f8 3f 05  f9 3f 01 02 03 04 05 06 07 08  fa 3f 02 61 62  fd 3f 01 02 03 04");
    const bytes = Buffer.concat([unknown, hex(appBytes), unknown]);
    expect(container.decode(bytes)).toEqual(app);
    // A known field with another wire type is an unknown one.
    expect(container.decode(Buffer.concat([hex("08 05"), hex(appBytes)]))).toEqual(app);
  });

  test("a state that nobody defined is an unknown one", () => {
    expect(container.decode(hex("20 63")).state).toBe("CONTAINER_UNKNOWN");
  });
});

describe("labels with awkward names", () => {
  test("are labels, and reach no prototype", () => {
    const entry = (key: string) => `2a ${(key.length + 5).toString(16).padStart(2, "0")} 0a
      ${key.length.toString(16).padStart(2, "0")} ${Buffer.from(key).toString("hex")} 12 01 78`;
    const bytes = hex(["__proto__", "constructor", "hasOwnProperty", "toString"].map(entry).join(" "));
    const { labels } = container.decode(bytes);
    expect(Object.entries(labels)).toEqual([
      ["__proto__", "x"],
      ["constructor", "x"],
      ["hasOwnProperty", "x"],
      ["toString", "x"],
    ]);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
    expect(Buffer.from(container.encode(container.decode(bytes)))).toEqual(Buffer.from(bytes));
    expect(container.decode(hex("")).labels.toString).toBeUndefined();
  });
});

describe("bytes that are no message", () => {
  test.each([
    ["an end inside a number", "60"],
    ["an end inside a text", "0a 05 61"],
    ["an end inside eight bytes", "f9 3f 01"],
    ["a length beyond everything", "0a ff ff ff ff 0f"],
    ["a length of more than 32 bits", "0a 80 80 80 80 80 01"],
    ["a number of eleven bytes", "60 80 80 80 80 80 80 80 80 80 80 00"],
    ["a field with the number 0", "00 01"],
    ["a field that runs past its message", "5a 02 2a 05 61 61 61 61 61"],
  ])("%s is refused", (_title, bytes) => {
    expect(() => container.decode(hex(bytes))).toThrow(expect.objectContaining({ code: "PROTOCOL" }));
  });

  test("a request cut anywhere is refused or shorter, and nothing else", () => {
    const payload = recordedCalls().find((call) => call.method === "CreateContainer")?.payload ?? hex("");
    let refused = 0;
    for (let length = 0; length < payload.length; length++) {
      if (!decodesOrRefuses(payload.subarray(0, length))) refused += 1;
    }
    expect(refused).toBeGreaterThan(payload.length * 0.9);
  });

  function decodesOrRefuses(bytes: Uint8Array): boolean {
    try {
      containerRequest.decode(bytes);
      return true;
    } catch (error) {
      if (error instanceof BridgeError && error.code === "PROTOCOL") return false;
      throw error;
    }
  }
});

describe("values that their field cannot hold are errors, never other values", () => {
  const memory = (limit: bigint) => ({ adjust: { linux: { resources: { memory: { limit } } } }, update: [] });
  test.each([
    ["int64 above", () => createContainerResponse.encode(memory(2n ** 63n))],
    ["int64 below", () => createContainerResponse.encode(memory(-(2n ** 63n) - 1n))],
    ["uint64 below", () => createContainerResponse.encode(rlimit(-1n))],
    ["uint64 above", () => createContainerResponse.encode(rlimit(2n ** 64n))],
    ["int32 above", () => configureResponse.encode({ events: 2 ** 31 })],
    ["a fraction", () => configureResponse.encode({ events: 0.5 })],
    ["uint32 below", () => container.encode({ ...container.decode(hex("")), pid: -1 })],
    ["uint32 above", () => container.encode({ ...container.decode(hex("")), pid: 2 ** 32 })],
    ["NaN", () => container.encode({ ...container.decode(hex("")), pid: Number.POSITIVE_INFINITY })],
  ])("%s", (_title, encode) => {
    expect(encode).toThrow(expect.objectContaining({ code: "INTERNAL" }));
  });

  function rlimit(hard: bigint) {
    return { adjust: { rlimits: [{ type: "RLIMIT_NOFILE", hard, soft: 0n }] }, update: [] };
  }

  test("a lone surrogate, which is no UTF-8, becomes a replacement character", () => {
    const bytes = registerPluginRequest.encode({ pluginName: "a\ud800b", pluginIdx: "", NRIVersion: "" });
    expect(Buffer.from(bytes)).toEqual(Buffer.from(hex("0a 05 61 ef bf bd 62")));
  });
});
