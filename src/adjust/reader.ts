import { enumNames, type Message, type Plain } from "../nri/json.js";
import { type Asks, isRemoval, Value } from "./asks.js";
import { describeRange, int64, integers, parseInteger } from "./checks.js";
import { type Field, type Rule, together } from "./fields.js";
import { describeTree, type JsonTree, parseJsonTree } from "./json-tree.js";
import { bad, suggest } from "./parsed.js";

// Reads NRI's messages in protobuf's JSON mapping, strictly: an unknown name, a wrong type, a value that its field cannot take and
// a field that would have no effect are faults. A zero, empty or null value counts as absent, except a zero in a wrapper message
// such as OptionalInt64.

/** Reads NRI's own messages at the top level of a plugin's result: the fields of CreateContainerResponse. */
export function readMessages(texts: Readonly<Record<string, string | undefined>>, asks: Asks): void {
  const entries = Object.entries(texts).flatMap(([key, text]): [string, JsonTree][] => {
    const parsed = parseJsonTree(text ?? "null", "NRI's own messages");
    if (parsed.ok) return [[key, parsed.value]];
    new Value({ kind: "string", text: text ?? "" }, { label: key }, asks).fault(parsed);
    return [];
  });
  readGroup("CreateContainerResponse", new Value({ kind: "object", entries }, { label: "" }, asks));
}

function readUpdate(value: Value): void {
  const fields = new Map(value.fields("ContainerUpdate").map((entry) => [entry[0].name, entry]));
  const id = fields.get("containerId")?.[1].tree;
  const container = id?.kind === "string" ? id.text : "";
  if (!/^[\w-]+$/.test(container)) {
    value.fault(bad("an update with the containerId of a container"));
    return;
  }
  const [, linux] = fields.get("linux") ?? [];
  if (linux !== undefined) {
    readGroup("LinuxContainerUpdate", new Value(linux.tree, { ...linux.place, container }, linux.asks, linux.at));
  }
  const [of, flag] = fields.get("ignoreFailure") ?? [];
  if (of === undefined || flag === undefined) return;
  const setting = { of, name: "", plain: readWhole(of, flag), container };
  value.asks.add({ ...setting, field: `update.${container}.ignoreFailure`, value: flag.shown });
}

/** Reads a message whose fields are settable, or are messages of settable fields, or are updates of other containers. */
function readGroup(message: string, value: Value): void {
  for (const [field, inner] of value.fields(message)) {
    if (isAbsent(field, inner)) continue;
    if (field.rule.gate !== undefined) readField(field, inner);
    else if (field.shape === "one") readGroup(field.type, inner);
    else for (const item of inner.items()) readUpdate(item);
  }
}

export function readField(field: Field, value: Value): void {
  if (!value.asks.takesEffect(field, value)) return;
  const names = new Set<string>();
  if (field.shape === "map") for (const [name, inner] of value.entries()) readEntry(field, name, inner, names);
  else if (field.rule.by !== undefined) for (const item of value.items()) readElement(field, item, names);
  else value.asks.set(field, readWhole(field, value), value);
}

/** Reads one entry of a map field. @param names the names of the entries before it, which the entry must not repeat */
export function readEntry(field: Field, name: string, value: Value, names?: Set<string>): void {
  const { rule, kind } = field;
  const removes = isRemoval(rule, name);
  if (removes) value.fault(value.asks.removalFault(rule, value.tree.kind === "string" ? value.tree.text : ""));
  value.fault(names?.has(name) ? bad("each key once") : rule.names?.(removes ? name.slice(1) : name));
  names?.add(name);
  const empty = kind === "message" ? {} : "";
  value.asks.set(field, removes ? empty : readOne(field, value), value, name);
}

/**
 * Reads one element of a list field whose elements have names. @param names the names of the elements before it, which the element
 * must not repeat
 */
export function readElement(field: Field, value: Value, names?: Set<string>): void {
  const { rule, type } = field;
  const { by = "" } = rule;
  const message = readMessage(type, value, rule);
  if (value.tree.kind !== "object") return;
  const name = String(message[by] ?? "");
  const removes = isRemoval(rule, name);
  const bare = removes ? name.slice(1) : name;
  if (removes) value.fault(value.asks.removalFault(rule, ""));
  if (bare === "") value.fault(bad(`an object with a ${by}`));
  else if (names?.has(bare)) value.fault(bad(`each ${by} once`));
  names?.add(bare);
  let shown: string | undefined;
  // Shows what the metadata key's text would be: of a huge page limit the number, of an environment variable its value.
  if (by === "pageSize") shown = String(message.limit ?? 0n);
  else if (by === "key") shown = String(message.value ?? "");
  value.asks.set(field, message, value, name, shown);
}

function readWhole(field: Field, value: Value): Plain {
  const { shape, kind, rule } = field;
  if (shape === "list") {
    const elements = value.items().map((item) => readOne(field, item));
    // NRI takes an empty first argument for a sign of its own (adaptation/result.go adjustArgs), not for a program.
    if (rule.key === "args" && !elements[0]) value.fault(bad("a list of texts with the program first, not empty"));
    return elements;
  }
  if (kind !== "wrapper") return readOne(field, value);
  // Where NRI's schema has a wrapper message, a plugin may write the plain value too. `{}` is a wrapper that holds zero.
  const isWrapped = value.tree.kind === "object";
  const [inner, more] = isWrapped ? value.entries().map(([, of]) => of) : [value];
  const plain = { ...field, kind: "scalar", shape: shape === "wrapped list" ? "list" : "one" } as const;
  if (inner === undefined) return plain.shape === "list" ? [] : zeroOf(field.type);
  const wrong = isWrapped && !inner.at.endsWith(".value") ? inner : more;
  wrong?.fault(bad("no other key than value"));
  return readWhole(plain, inner);
}

function readOne({ kind, type, rule }: Field, value: Value): Plain {
  if (kind === "message") return readMessage(type, value);
  return kind === "enum" ? readEnum(enumNames(type), value) : readScalar(type, rule, value);
}

/** @param list the rule of the list field that the message is an element of, if the elements have names */
function readMessage(message: string, value: Value, list: Rule = {}): Message {
  const read: Message = {};
  let removes = false;
  for (const [field, inner] of value.fields(message)) {
    const { tree } = inner;
    if (field.rule.lost !== undefined && !isAbsent(field, inner)) value.asks.takesEffect(field, inner);
    if (field.name === list.by && tree.kind === "string" && isRemoval(list, tree.text)) {
      removes = true;
      // The `-` of a removal is no part of the name, so the name's check does not see it.
      const bare = inner.within({ ...tree, text: tree.text.slice(1) }, "");
      read[field.name] = `-${readWhole(field, bare)}`;
    } else read[field.name] = readWhole(field, inner);
  }
  if (!removes && value.tree.kind === "object") value.fault(together[message]?.(read));
  return read;
}

/** Whether a field of a message counts as absent: proto3 does not distinguish a zero value from an absent field. */
function isAbsent({ shape, kind, type }: Field, { tree, shown }: Value): boolean {
  if (shape === "list") return tree.kind === "array" && tree.items.length === 0;
  if (shape === "map") return tree.kind === "object" && tree.entries.length === 0;
  return kind === "scalar" && shown === String(zeroOf(type));
}

function zeroOf(type: string): Plain {
  const zeros: Readonly<Record<string, Plain>> = { string: "", bool: false, int32: 0, uint32: 0 };
  return zeros[type] ?? 0n;
}

/** Adds a fault for a wrong value. Returns a placeholder that nothing uses, since the fault voids the result. */
function refuse(value: Value, expected: string, remedy?: string): Plain {
  value.fault(bad(expected, remedy));
  return "?";
}

function readEnum(names: readonly string[], value: Value): Plain {
  const text = value.tree.kind === "string" ? value.tree.text : "";
  if (names.includes(text)) return text;
  return refuse(value, `one of ${names.join(", ")}`, suggest(text, names, "write its name"));
}

function readScalar(type: string, { range = integers[type] ?? int64, check }: Rule, value: Value): Plain {
  const { tree } = value;
  const otherwise = () => `, not ${describeTree(tree)}`;
  if (type === "bool") return tree.kind === "bool" ? tree.value : refuse(value, `true or false${otherwise()}`);
  if (type === "string") {
    if (tree.kind !== "string") return refuse(value, `a text in quotes${otherwise()}`);
    const fault = check?.(tree.text);
    value.fault(fault);
    return fault === undefined ? tree.text : "?";
  }
  // protobuf's JSON mapping writes 64-bit integers as texts.
  const is64 = type.endsWith("64");
  const isDigits = tree.kind === "number" || (tree.kind === "string" && is64);
  const integer = isDigits ? parseInteger(tree.text, range) : undefined;
  if (integer === undefined) return refuse(value, `${describeRange(range)}${isDigits ? "" : otherwise()}`);
  return is64 ? integer : Number(integer);
}
