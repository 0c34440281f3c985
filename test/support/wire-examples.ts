import { hex } from "./bytes.js";

/** A message of an NRI session with its bytes, computed by hand from the layouts of the mux, ttRPC and protobuf. */
export interface WireExample {
  readonly title: string;
  readonly bytes: Uint8Array;
  readonly connId: number;
  readonly streamId: number;
  readonly body: RequestBody | ResponseBody;
}

interface RequestBody {
  readonly type: 1;
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  readonly timeoutNano: bigint;
}

interface ResponseBody {
  readonly type: 2;
  readonly status?: { readonly code: number; readonly message: string };
  readonly payload: Uint8Array;
}

const runtimeService = "nri.pkg.api.v1alpha1.Runtime";
const pluginService = "nri.pkg.api.v1alpha1.Plugin";
const noPayload = new Uint8Array(0);

export const wireExamples: readonly WireExample[] = [
  {
    title: "RegisterPlugin",
    connId: 2,
    streamId: 1,
    bytes: hex(`
      00 00 00 02 00 00 00 5a 00 00 00 50 00 00 00 01 01 00
      0a 1c 6e 72 69 2e 70 6b 67 2e 61 70 69 2e 76 31 61 6c 70 68 61 31 2e 52 75 6e 74 69 6d 65
      12 0e 52 65 67 69 73 74 65 72 50 6c 75 67 69 6e
      1a 1a 0a 0b 76 30 31 30 2d 62 72 69 64 67 65 12 02 31 30 1a 07 76 30 2e 31 32 2e 32
      20 80 e4 97 d0 12`),
    body: {
      type: 1,
      service: runtimeService,
      method: "RegisterPlugin",
      payload: hex("0a 0b 76 30 31 30 2d 62 72 69 64 67 65 12 02 31 30 1a 07 76 30 2e 31 32 2e 32"),
      timeoutNano: 5_000_000_000n,
    },
  },
  {
    title: "RegisterPlugin's answer, a body of no bytes",
    connId: 2,
    streamId: 1,
    bytes: hex("00 00 00 02 00 00 00 0a 00 00 00 00 00 00 00 01 02 00"),
    body: { type: 2, payload: noPayload },
  },
  {
    title: "Configure",
    connId: 1,
    streamId: 1,
    bytes: hex(`
      00 00 00 01 00 00 00 5d 00 00 00 53 00 00 00 01 01 00
      0a 1b 6e 72 69 2e 70 6b 67 2e 61 70 69 2e 76 31 61 6c 70 68 61 31 2e 50 6c 75 67 69 6e
      12 09 43 6f 6e 66 69 67 75 72 65
      1a 23 12 0a 63 6f 6e 74 61 69 6e 65 72 64 1a 06 76 32 2e 33 2e 34 20 88 27 28 d0 0f 32 07 76 30 2e 31 32 2e 30
      20 80 a8 d6 b9 07`),
    body: {
      type: 1,
      service: pluginService,
      method: "Configure",
      payload: hex(
        "12 0a 63 6f 6e 74 61 69 6e 65 72 64 1a 06 76 32 2e 33 2e 34 20 88 27 28 d0 0f 32 07 76 30 2e 31 32 2e 30",
      ),
      timeoutNano: 2_000_000_000n,
    },
  },
  {
    title: "Configure's answer, the events 0x623",
    connId: 1,
    streamId: 1,
    bytes: hex("00 00 00 01 00 00 00 0f 00 00 00 05 00 00 00 01 02 00 12 03 10 a3 0c"),
    body: { type: 2, payload: hex("10 a3 0c") },
  },
  {
    title: "Synchronize, more to come",
    connId: 1,
    streamId: 3,
    bytes: hex(`
      00 00 00 01 00 00 00 57 00 00 00 4d 00 00 00 03 01 00
      0a 1b 6e 72 69 2e 70 6b 67 2e 61 70 69 2e 76 31 61 6c 70 68 61 31 2e 50 6c 75 67 69 6e
      12 0b 53 79 6e 63 68 72 6f 6e 69 7a 65
      1a 1b 0a 17 0a 02 70 31 12 05 77 65 62 2d 30 22 07 64 65 66 61 75 6c 74 48 92 21 18 01
      20 80 a8 d6 b9 07`),
    body: {
      type: 1,
      service: pluginService,
      method: "Synchronize",
      payload: hex("0a 17 0a 02 70 31 12 05 77 65 62 2d 30 22 07 64 65 66 61 75 6c 74 48 92 21 18 01"),
      timeoutNano: 2_000_000_000n,
    },
  },
  {
    title: "Synchronize's answer to a chunk",
    connId: 1,
    streamId: 3,
    bytes: hex("00 00 00 01 00 00 00 0e 00 00 00 04 00 00 00 03 02 00 12 02 10 01"),
    body: { type: 2, payload: hex("10 01") },
  },
  {
    title: "Synchronize's last answer, nothing to update",
    connId: 1,
    streamId: 5,
    bytes: hex("00 00 00 01 00 00 00 0a 00 00 00 00 00 00 00 05 02 00"),
    body: { type: 2, payload: noPayload },
  },
  {
    title: "StartContainer",
    connId: 1,
    streamId: 7,
    bytes: hex(`
      00 00 00 01 00 00 00 8c 00 00 00 82 00 00 00 07 01 00
      0a 1b 6e 72 69 2e 70 6b 67 2e 61 70 69 2e 76 31 61 6c 70 68 61 31 2e 50 6c 75 67 69 6e
      12 0e 53 74 61 72 74 43 6f 6e 74 61 69 6e 65 72
      1a 4d 0a 17 0a 02 70 31 12 05 77 65 62 2d 30 22 07 64 65 66 61 75 6c 74 48 92 21
      12 32 0a 02 63 31 12 02 70 31 1a 03 61 70 70 20 01 5a 1e 2a 1c 2f 6b 75 62 65 70 6f 64 73 2f 62 65 73 74 65 66
      66 6f 72 74 2f 70 6f 64 78 2f 63 31 60 cc 21
      20 80 a8 d6 b9 07`),
    body: {
      type: 1,
      service: pluginService,
      method: "StartContainer",
      payload: hex(`
        0a 17 0a 02 70 31 12 05 77 65 62 2d 30 22 07 64 65 66 61 75 6c 74 48 92 21
        12 32 0a 02 63 31 12 02 70 31 1a 03 61 70 70 20 01 5a 1e 2a 1c 2f 6b 75 62 65 70 6f 64 73 2f 62 65 73 74 65 66
        66 6f 72 74 2f 70 6f 64 78 2f 63 31 60 cc 21`),
      timeoutNano: 2_000_000_000n,
    },
  },
  {
    title: "StartContainer's answer",
    connId: 1,
    streamId: 7,
    bytes: hex("00 00 00 01 00 00 00 0a 00 00 00 00 00 00 00 07 02 00"),
    body: { type: 2, payload: noPayload },
  },
  {
    title: "an error, Unknown",
    connId: 1,
    streamId: 7,
    bytes: hex(`
      00 00 00 01 00 00 00 2f 00 00 00 25 00 00 00 07 02 00
      0a 23 08 02 12 1f 6e 72 69 20 76 30 2e 31 3a 20 70 6c 75 67 69 6e 3a 20 6b 6f 6e 66 69 6e 65 3a 20 62 6f 6f 6d`),
    body: { type: 2, status: { code: 2, message: "nri v0.1: plugin: konfine: boom" }, payload: noPayload },
  },
  {
    title: "an error, Unimplemented",
    connId: 1,
    streamId: 7,
    bytes: hex(`
      00 00 00 01 00 00 00 25 00 00 00 1b 00 00 00 07 02 00
      0a 19 08 0c 12 15 6d 65 74 68 6f 64 20 53 74 61 72 74 43 6f 6e 74 61 69 6e 65 72`),
    body: { type: 2, status: { code: 12, message: "method StartContainer" }, payload: noPayload },
  },
  {
    title: "StopContainer's answer with an update",
    connId: 1,
    streamId: 9,
    bytes: hex(`
      00 00 00 01 00 00 00 32 00 00 00 28 00 00 00 09 02 00
      12 26 0a 24 0a 02 63 32 12 1c 0a 1a 12 18 0a 03 08 80 08 12 0b 08 ff ff ff ff ff ff ff ff ff 01 1a 04 08 a0 8d 06
      18 01`),
    body: {
      type: 2,
      payload: hex(`
        0a 24 0a 02 63 32 12 1c 0a 1a 12 18 0a 03 08 80 08 12 0b 08 ff ff ff ff ff ff ff ff ff 01 1a 04 08 a0 8d 06 18 01`),
    },
  },
];
