import { describe, expect, test } from "vitest";
import {
  configureRequest,
  configureResponse,
  container,
  createContainerResponse,
  type MessageCodec,
  podSandbox,
  registerPluginRequest,
  synchronizeRequest,
} from "../../src/nri/codec.js";
import type { Container } from "../../src/nri/types.js";
import { hex } from "../support/bytes.js";

const pod = { ...podSandbox.decode(hex("")), id: "p1", name: "web-0", namespace: "default", pid: 4242 };

/** Two of PROTOCOL's example session, computed by hand from the layouts; the others are in the tests of the stub and of recordings. */
const examples: [title: string, codec: MessageCodec<object>, bytes: string, message: object][] = [
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
  [
    "a part of Synchronize",
    synchronizeRequest,
    "0a 17 0a 02 70 31 12 05 77 65 62 2d 30 22 07 64 65 66 61 75 6c 74 48 92 21 18 01",
    { pods: [pod], containers: [], more: true },
  ],
];

describe("messages computed by hand", () => {
  test.each(examples)("%s reads and writes", (_title, codec, bytes, message) => {
    expect(codec.decode(hex(bytes))).toEqual(message);
    expect(Buffer.from(codec.encode(message))).toEqual(Buffer.from(hex(bytes)));
  });
});

describe("what another writer may do", () => {
  test.each<[string, string, Partial<Container>]>([
    ["a number may take more bytes than it needs", "60 cc a1 80 00", { pid: 4300 }],
    ["and a negative one takes ten", "88 01 ff ff ff ff ff ff ff ff ff 01", { exitCode: -1 }],
    ["or the most that there are", "70 ff ff ff ff ff ff ff ff 7f", { createdAt: 2n ** 63n - 1n }],
    // user { additional_gids: 1, 300 }
    [
      "a list of numbers may be packed",
      "aa 01 05 1a 03 01 ac 02",
      { user: { uid: 0, gid: 0, additionalGids: [1, 300] } },
    ],
    ["or not", "aa 01 05 18 01 18 ac 02", { user: { uid: 0, gid: 0, additionalGids: [1, 300] } }],
    ["a map's entry may lack its key and its value", "2a 00", { labels: { "": "" } }],
    ["and its last word counts", "2a 09 12 01 78 0a 01 61 12 01 79", { labels: { a: "y" } }],
    ["a state that nobody defined is an unknown one", "20 63", { state: "CONTAINER_UNKNOWN" }],
    ["a known field with another wire type is an unknown one", "08 05", {}],
    [
      "fields of a later NRI are passed over, whatever their wire type",
      "f8 3f 05  f9 3f 01 02 03 04 05 06 07 08  fa 3f 02 61 62  fb 3f 08 01 fc 3f  fd 3f 01 02 03 04",
      {},
    ],
  ])("%s", (_, bytes, fields) => {
    const decoded = container.decode(Buffer.concat([hex(bytes), hex("0a 01 61")]));
    expect({ ...decoded, labels: { ...decoded.labels } }).toEqual({
      ...container.decode(hex("0a 01 61")),
      labels: {},
      ...fields,
    });
  });

  test("a message that comes in two parts is one; an empty Optional is a zero, an absent one nothing", () => {
    // linux { resources { memory { limit {} } } }
    const { linux } = container.decode(hex("5a 03 2a 01 61  5a 06 1a 04 0a 02 0a 00"));
    expect(linux?.cgroupsPath).toBe("a");
    expect(linux?.resources?.memory).toEqual({ limit: 0n });
  });

  test("labels with awkward names are labels, and reach no prototype", () => {
    const names = ["__proto__", "constructor", "hasOwnProperty", "toString"];
    const entries = names.map((name) =>
      Buffer.concat([Buffer.from([0x2a, name.length + 5, 0x0a, name.length]), Buffer.from(name), hex("12 01 78")]),
    );
    const bytes = Buffer.concat(entries);
    const decoded = container.decode(bytes);
    expect(Object.entries(decoded.labels)).toEqual(names.map((name) => [name, "x"]));
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
    expect(Buffer.from(container.encode(decoded))).toEqual(bytes);
    expect(container.decode(hex("")).labels.toString).toBeUndefined();
  });
});

test.each([
  ["an end inside a number", "60"],
  ["an end inside a text", "0a 05 61"],
  ["an end inside eight bytes", "f9 3f 01"],
  ["a length beyond everything", "0a ff ff ff ff 0f"],
  ["a length of more than 32 bits", "0a 80 80 80 80 80 01"],
  ["a number of eleven bytes", "60 80 80 80 80 80 80 80 80 80 80 00"],
  ["a field with the number 0", "00 01"],
  ["the end of a group that never began", "0c"],
  ["a wire type that does not exist", "0f 00"],
  ["a field that runs past its message", "5a 02 2a 05 61 61 61 61 61"],
])("bytes that are no message are refused: %s", (_title, bytes) => {
  expect(() => container.decode(hex(bytes))).toThrow(expect.objectContaining({ code: "PROTOCOL" }));
});

describe("values that their field cannot hold are errors, never other values", () => {
  const limitOf = (limit: bigint) => () =>
    createContainerResponse.encode({ adjust: { linux: { resources: { memory: { limit } } } }, update: [] });
  const hardOf = (hard: bigint) => () =>
    createContainerResponse.encode({ adjust: { rlimits: [{ type: "RLIMIT_NOFILE", hard, soft: 0n }] }, update: [] });
  const eventsOf = (events: number) => () => configureResponse.encode({ events });
  const pidOf = (pid: number) => () => podSandbox.encode({ ...pod, pid });
  test.each([
    ["int64 above", limitOf(2n ** 63n)],
    ["int64 below", limitOf(-(2n ** 63n) - 1n)],
    ["uint64 below", hardOf(-1n)],
    ["uint64 above", hardOf(2n ** 64n)],
    ["int32 above", eventsOf(2 ** 31)],
    ["a fraction", eventsOf(0.5)],
    ["uint32 below", pidOf(-1)],
    ["uint32 above", pidOf(2 ** 32)],
    ["no number at all", pidOf(Number.POSITIVE_INFINITY)],
  ])("%s", (_title, encode) => {
    expect(encode).toThrow(expect.objectContaining({ code: "INTERNAL" }));
  });
});

test("a lone surrogate, which is no UTF-8, is written as a replacement character", () => {
  const bytes = registerPluginRequest.encode({ pluginName: "a\ud800b", pluginIdx: "", NRIVersion: "" });
  expect(Buffer.from(bytes)).toEqual(Buffer.from(hex("0a 05 61 ef bf bd 62")));
});
