import type * as gen from "../gen/nri.js";
import { enums, shapes } from "../gen/nri.js";
import {
  configureRequest,
  type MessageCodec,
  type MessageName,
  stateChangeRequest,
  synchronizeRequest,
} from "./codec.js";
import { type EventResponse, eventNames, events } from "./events.js";

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** Which field names the JSON has: protobuf's JSON names (cgroupsPath), or the schema's, as in recordings (cgroups_path). */
type JsonNames = "json" | "schema";

/** A field of a message, as an entry of the generated table `shapes`. */
export type Shape = readonly [
  schemaName: string,
  number: number,
  shape: "one" | "list" | "map" | "wrapped list",
  kind: "scalar" | "enum" | "wrapper" | "message",
  type: string,
];

export const messageNames: readonly string[] = Object.keys(shapes);

/** The fields of a message, by their JSON names; an empty object when the schema has no message of this name. */
export function fieldsOf(message: string): Readonly<Record<string, Shape>> {
  return isMessageName(message) ? shapes[message] : {};
}

/** The names of an enum's values, indexed by the values' numbers; empty for an unknown enum. */
export function enumNames(type: string): readonly string[] {
  const all: Readonly<Record<string, readonly string[]>> = enums;
  return all[type] ?? [];
}

/** A message as code builds it from the tables of the schema: an absent field is not set. */
export interface Message {
  [field: string]: Plain;
}

export type Plain = string | number | bigint | boolean | Plain[] | Message;

/** Whether a value has only the fields and types that the schema gives the message, so that it can be encoded. */
export function isMessage(name: "CreateContainerResponse", value: unknown): value is gen.CreateContainerResponseInit {
  return fits("message", name, value);
}

const scalarTypes: Readonly<Record<string, string>> = {
  string: "string",
  bool: "boolean",
  int32: "number",
  uint32: "number",
};

function fits(kind: Shape[3], type: string, value: unknown): boolean {
  if (kind === "enum") return enumNames(type).some((name) => name === value);
  if (kind !== "message") return typeof value === (scalarTypes[type] ?? "bigint");
  if (!isObject(value)) return false;
  const fields = fieldsOf(type);
  return Object.entries(value).every(([name, inner]) => {
    const [, , shape, of = "scalar", inside = ""] = fields[name] ?? [];
    if (shape === "one") return fits(of, inside, inner);
    if (shape === "map") return isObject(inner) && Object.values(inner).every((one) => fits(of, inside, one));
    return Array.isArray(inner) && inner.every((one) => fits(of, inside, one));
  });
}

function isMessageName(text: string): text is MessageName {
  return Object.hasOwn(shapes, text);
}

/**
 * A message in protobuf's JSON form: 64-bit integers are strings, enum values are names, a field with its default value is left
 * out, and an `Optional*` value is `{"value": ...}`.
 */
export function messageToJson(name: MessageName, message: object, names: JsonNames = "json"): { [key: string]: Json } {
  const fields = fieldsOf(name);
  const json: { [key: string]: Json } = {};
  for (const [key, value] of Object.entries(message)) {
    const shape = fields[key];
    if (shape === undefined || isDefault(value, shape)) continue;
    json[names === "json" ? key : shape[0]] = fieldToJson(shape, value, names);
  }
  return json;
}

/** A plugin's answer to an event, as the value of `"response"` in the JSON lines. */
export function responseToJson(response: EventResponse): { [key: string]: Json } {
  // CreateContainerResponse has all fields of UpdateContainerResponse and StopContainerResponse, and `adjust`.
  return messageToJson("CreateContainerResponse", response);
}

/** The request of a recorded call, as the value of `"body"` in events.jsonl; undefined for a method without a request. */
export function requestToJson(method: string, payload: Uint8Array): { [key: string]: Json } | undefined {
  const request = requestCodecOf(method);
  return request && messageToJson(request.message, request.decode(payload), "schema");
}

/** The codec of a call's request; undefined for a method without a request. */
export function requestCodecOf(method: string): MessageCodec<object> | undefined {
  return Object.hasOwn(requests, method) ? requests[method] : undefined;
}

const requests: Readonly<Record<string, MessageCodec<object>>> = {
  Configure: configureRequest,
  Synchronize: synchronizeRequest,
  StateChange: stateChangeRequest,
  ...Object.fromEntries(eventNames.map((name) => [name, events[name].request])),
};

function fieldToJson([, , shape, kind, type]: Shape, value: unknown, names: JsonNames): Json {
  const toJson = (element: unknown) => valueToJson(kind, type, element, names);
  if (shape === "list" && Array.isArray(value)) return value.map(toJson);
  if (shape !== "map" || !isObject(value)) return toJson(value);
  // Object.fromEntries makes an ordinary key even of a label named __proto__.
  return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, toJson(element)]));
}

function valueToJson(kind: Shape[3], type: string, value: unknown, names: JsonNames): Json {
  if (kind === "wrapper") return isZero(value) ? {} : { value: plainToJson(value) };
  if (kind !== "message") return plainToJson(value);
  return isObject(value) && isMessageName(type) ? messageToJson(type, value, names) : null;
}

function plainToJson(value: unknown): Json {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return value.map(plainToJson);
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}

/** Whether proto3 leaves a field with this value out. A message or an `Optional*` value that is set is never left out. */
function isDefault(value: unknown, [, , shape, kind, type]: Shape): boolean {
  if (value === undefined) return true;
  if (shape === "one") return kind === "enum" ? value === enumNames(type)[0] : kind === "scalar" && isZero(value);
  if (shape === "wrapped list") return false;
  return isObject(value) && Object.keys(value).length === 0;
}

function isZero(value: unknown): boolean {
  return value === 0 || value === 0n || value === "" || value === false || (Array.isArray(value) && value.length === 0);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
