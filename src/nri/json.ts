import { shapes } from "../gen/nri.js";
import {
  configureRequest,
  type MessageCodec,
  type MessageName,
  stateChangeRequest,
  synchronizeRequest,
} from "./codec.js";
import { type EventResponse, eventNames, events } from "./events.js";

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** protobuf's own JSON names (cgroupsPath), or the schema's (cgroups_path) as the recordings have them. */
type JsonNames = "json" | "schema";

type Shape = readonly [
  schemaName: string,
  shape: "one" | "list" | "map",
  inner: MessageName | "wrapper" | "plain",
  zeroOfEnum?: string,
];

/**
 * A message in protobuf's JSON form: 64-bit integers as text, enum values by name, what has its default left out, and
 * an `Optional*` value as `{"value": ...}`.
 */
export function messageToJson(name: MessageName, message: object, names: JsonNames = "json"): { [key: string]: Json } {
  const fields: Record<string, Shape> = shapes[name];
  const json: { [key: string]: Json } = {};
  for (const [key, value] of Object.entries(message)) {
    const shape = fields[key];
    if (shape === undefined || isDefault(value, shape)) continue;
    json[names === "json" ? key : shape[0]] = fieldToJson(shape, value, names);
  }
  return json;
}

/** What a plugin asks for in answer to an event, as `"response"` in the JSON lines has it. */
export function responseToJson(response: EventResponse): { [key: string]: Json } {
  // The answers to UpdateContainer and StopContainer are this one without `adjust`.
  return messageToJson("CreateContainerResponse", response);
}

/** A recorded call's request, as `"body"` in events.jsonl has it; undefined for a method without one. */
export function requestToJson(method: string, payload: Uint8Array): { [key: string]: Json } | undefined {
  const request = requestCodecOf(method);
  return request && messageToJson(request.message, request.decode(payload), "schema");
}

/** The codec of a call's request; undefined for a method without one. */
export function requestCodecOf(method: string): MessageCodec<object> | undefined {
  return Object.hasOwn(requests, method) ? requests[method] : undefined;
}

const requests: Readonly<Record<string, MessageCodec<object>>> = {
  Configure: configureRequest,
  Synchronize: synchronizeRequest,
  StateChange: stateChangeRequest,
  ...Object.fromEntries(eventNames.map((name) => [name, events[name].request])),
};

function fieldToJson([, shape, inner]: Shape, value: unknown, names: JsonNames): Json {
  if (shape === "list" && Array.isArray(value)) return value.map((element) => valueToJson(inner, element, names));
  if (shape !== "map" || !isObject(value)) return valueToJson(inner, value, names);
  // Of a label named __proto__ this makes a key.
  return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, valueToJson(inner, element, names)]));
}

function valueToJson(inner: Shape[2], value: unknown, names: JsonNames): Json {
  if (inner === "wrapper") return isZero(value) ? {} : { value: plainToJson(value) };
  if (inner === "plain") return plainToJson(value);
  return isObject(value) ? messageToJson(inner, value, names) : null;
}

function plainToJson(value: unknown): Json {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return value.map(plainToJson);
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}

/** Whether proto3 leaves the field out: a message and an `Optional*` value never, once they are there. */
function isDefault(value: unknown, [, shape, inner, zeroOfEnum]: Shape): boolean {
  if (value === undefined) return true;
  if (shape === "one") return inner === "plain" && (isZero(value) || value === zeroOfEnum);
  return isObject(value) && Object.keys(value).length === 0;
}

function isZero(value: unknown): boolean {
  return value === 0 || value === 0n || value === "" || value === false || (Array.isArray(value) && value.length === 0);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
