import fc, { type Arbitrary } from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import type { MessageName } from "../../src/nri/codec.js";
import {
  configureRequest,
  containerRequest,
  createContainerResponse,
  type MessageCodec,
  stateChangeRequest,
  stopContainerResponse,
  synchronizeRequest,
  synchronizeResponse,
  updateContainerRequest,
  updateContainerResponse,
  updatePodSandboxRequest,
} from "../../src/nri/codec.js";
import { messageToJson } from "../../src/nri/json.js";
import { anyText } from "../support/any-text.js";
import { loadSchema, messageType } from "./support/schema.js";

const root = loadSchema();
const longest = { int64: [-(2n ** 63n), 2n ** 63n - 1n], uint64: [0n, 2n ** 64n - 1n] } as const;

/** A 64-bit number as text, often at the ends of its range or around 2^53; never 0, which is not written. */
function long([min, max]: readonly [bigint, bigint]): Arbitrary<string> {
  const edges = [min, max, max - 1n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n + 1n, 9223372036854771712n];
  return fc
    .oneof(fc.constantFrom(...edges), fc.bigInt({ min, max }))
    .filter((value) => value !== 0n)
    .map(String);
}

const text = anyText({ minLength: 1, maxLength: 8 });

/** Scalars that are not the default, as protobufjs' objects have them. */
const scalars: Record<string, Arbitrary<unknown>> = {
  string: text,
  bool: fc.constant(true),
  int32: fc.oneof(fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, -1), fc.integer()).filter((value) => value !== 0),
  uint32: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  int64: long(longest.int64),
  uint64: long(longest.uint64),
};

/** Any message of a type, in protobuf's JSON form with the schema's names: what is there is not the default. */
function anyMessage(type: protobuf.Type): Arbitrary<object> {
  const fields = type.fieldsArray.filter((field) => field.name !== "evict");
  return fc.record(Object.fromEntries(fields.map((field) => [field.name, anyField(field)])), { requiredKeys: [] });
}

function anyField(field: protobuf.Field): Arbitrary<unknown> {
  const value = anyValue(field);
  // A name such as "1" would come first in any JavaScript object, whatever its place in the message.
  const key = text.filter((name) => !/^\d+$/.test(name) && name !== "__proto__");
  if (field instanceof protobuf.MapField)
    return fc.dictionary(key, value, { minKeys: 1, maxKeys: 3, noNullPrototype: true });
  return field.repeated ? fc.array(value, { minLength: 1, maxLength: 3 }) : value;
}

function anyValue(field: protobuf.Field): Arbitrary<unknown> {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) return anyMessage(resolvedType);
  if (resolvedType instanceof protobuf.Enum) {
    const names = Object.keys(resolvedType.values);
    return fc.constantFrom(...(field.repeated ? names : names.slice(1)));
  }
  return scalars[field.type] ?? fc.constant(undefined);
}

const messages: [MessageName, MessageCodec<object>][] = [
  ["ConfigureRequest", configureRequest],
  ["SynchronizeRequest", synchronizeRequest],
  ["SynchronizeResponse", synchronizeResponse],
  ["UpdatePodSandboxRequest", updatePodSandboxRequest],
  ["CreateContainerRequest", containerRequest],
  ["CreateContainerResponse", createContainerResponse],
  ["UpdateContainerRequest", updateContainerRequest],
  ["UpdateContainerResponse", updateContainerResponse],
  ["StopContainerResponse", stopContainerResponse],
  ["StateChangeEvent", stateChangeRequest],
];

const plain = (json: unknown): unknown => JSON.parse(JSON.stringify(json));

describe("any message, 64-bit numbers at their ends included", () => {
  test.each(messages)("%s that protobufjs wrote reads as it was, and writes as the same bytes", (name, codec) => {
    const type = messageType(root, name);
    fc.assert(
      fc.property(anyMessage(type), (json) => {
        const bytes = type.encode(type.fromObject(json)).finish();
        const message = codec.decode(bytes);
        expect(plain(messageToJson(name, message, "schema"))).toEqual(plain(json));
        expect(Buffer.from(codec.encode(message)).equals(bytes)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
