import { enumNames, type Message, type Plain } from "../nri/json.js";
import { type Asks, isRemoval, type Place } from "./asks.js";
import { describeRange, int64, integers, parseInteger } from "./checks.js";
import { checkTogether, type Field, findField, type Rule, requiredOf } from "./fields.js";
import { describeTree, type JsonTree, parseJsonTree } from "./json-tree.js";
import { bad, good, type Parsed, suggest } from "./parsed.js";
import { Value } from "./value.js";

// NRI's messages in protobuf's JSON mapping, read strictly: an unknown name, a wrong type, a value that its place cannot take and a
// field that would have no effect are faults. A zero, empty or null value is as good as absent, but in a wrapper.

/** Reads one of the keys at a result's top level that hold NRI's own messages. */
export function readDocument(key: "adjust" | "update" | "evict", text: string | undefined, asks: Asks): void {
  if (text === undefined) return;
  const parsed = parseJsonTree(text, "NRI's own messages");
  const value = new Value(parsed.ok ? parsed.value : { kind: "string", text }, { label: key }, asks);
  if (!parsed.ok) value.fault(parsed);
  else if (key === "adjust") readGroup("ContainerAdjustment", value);
  else if (key === "update") for (const item of value.items()) readUpdate(item);
  else {
    const field = findField("CreateContainerResponse", key);
    if (field !== undefined) readField(field, value);
  }
}

function readUpdate(value: Value): void {
  const fields = value.fields("ContainerUpdate");
  const id = fields.get("containerId")?.[1].tree;
  const container = id?.kind === "string" ? id.text : "";
  if (!/^[\w-]+$/.test(container)) {
    value.fault(bad("an update with the containerId of a container"));
    return;
  }
  const [, linux] = fields.get("linux") ?? [];
  const place: Place = { ...value.place, container };
  if (linux !== undefined) readGroup("LinuxContainerUpdate", new Value(linux.tree, place, value.asks, linux.at));
  const [field, ignoreFailure] = fields.get("ignoreFailure") ?? [];
  if (field === undefined || ignoreFailure === undefined) return;
  const ignores = readWhole(field, ignoreFailure);
  const write = (update: Message) => {
    update.ignoreFailure = ignores;
  };
  value.asks.add({ field: `update.${container}.ignoreFailure`, value: "", container, write });
}

/** Reads a message whose fields are set by themselves, or are groups of such. */
function readGroup(message: string, value: Value): void {
  for (const [field, inner] of value.fields(message).values()) {
    if (isAbsent(field, inner)) continue;
    if (field.rule.gate === undefined) readGroup(field.type, inner);
    else readField(field, inner);
  }
}

/** Reads a field that is set by itself, or by its entries. */
export function readField(field: Field, value: Value): void {
  if (!value.asks.takesEffect(field, value)) return;
  const names = new Set<string>();
  if (field.shape === "map") for (const [name, inner] of value.entries()) readEntry(field, name, inner);
  else if (field.rule.by !== undefined) for (const item of value.items()) readElement(field, item, names);
  else value.asks.set(field, readWhole(field, value), value);
}

/** Reads an entry of a map that is set by itself. */
export function readEntry(field: Field, name: string, value: Value): void {
  const { rule, kind } = field;
  const removes = isRemoval(rule, name);
  if (removes) value.fault(value.asks.removalFault(rule, value.tree.kind === "string" ? value.tree.text : ""));
  value.fault(rule.names?.(removes ? name.slice(1) : name));
  const nothing = kind === "message" ? {} : "";
  value.asks.set(field, removes ? nothing : readOne(field, value), value, name);
}

/** Reads an element of a list that is set by itself. @param names those that stand before it there */
export function readElement(field: Field, value: Value, names = new Set<string>()): void {
  const { rule, type } = field;
  const { by = "" } = rule;
  const message = readMessage(type, value, rule);
  if (value.tree.kind !== "object") return;
  const name = String(message[by] ?? "");
  const removes = isRemoval(rule, name);
  const bare = removes ? name.slice(1) : name;
  if (removes) value.fault(value.asks.removalFault(rule, ""));
  if (bare === "") value.fault(bad(`an object with a ${by}`));
  else if (names.has(bare)) value.fault(bad(`each ${by} once`));
  names.add(bare);
  // Of a limit of huge pages the number, as its metadata key has it.
  const shown = by === "pageSize" ? String(message.limit ?? 0n) : undefined;
  value.asks.set(field, message, value, name, shown);
}

/** In place of a value that is wrong: the result is void. */
const refused = "?";

/** Reads the whole value of a field. */
function readWhole(field: Field, value: Value): Plain {
  const { shape, kind, rule } = field;
  if (shape === "list") {
    const elements = value.items().map((item) => readOne(field, item));
    if (rule.first !== undefined) value.fault(rule.first(String(elements[0] ?? "")));
    return elements;
  }
  if (kind !== "wrapper") return readOne(field, value);
  // Plain values stand also where NRI wraps them; `{}` is the zero that is there.
  const isWrapped = value.tree.kind === "object";
  const [inner, more] = isWrapped ? value.entries().map(([, of]) => of) : [value];
  const plain = { ...field, kind: "scalar", shape: shape === "wrapped list" ? "list" : "one" } as const;
  if (inner === undefined) return plain.shape === "list" ? [] : zeroOf(field.type);
  const wrong = isWrapped && !inner.at.endsWith(".value") ? inner : more;
  wrong?.fault(bad("value alone"));
  return readWhole(plain, inner);
}

/** Reads one value: a field's own, or an element's. */
function readOne({ kind, type, rule }: Field, value: Value): Plain {
  if (kind === "message") return readMessage(type, value);
  const read = kind === "enum" ? readEnum(type, value.tree) : readScalar(type, rule, value.tree);
  if (read.ok) return read.value;
  value.fault(read);
  return refused;
}

/** @param list what is known of the list of such messages, if each is set by itself */
function readMessage(message: string, value: Value, list: Rule = {}): Message {
  const read: Message = {};
  let removes = false;
  for (const [field, inner] of value.fields(message).values()) {
    const { tree } = inner;
    if (field.rule.lost !== undefined && !isAbsent(field, inner)) value.asks.takesEffect(field, inner);
    if (field.name === list.by && tree.kind === "string" && isRemoval(list, tree.text)) {
      removes = true;
      // A removal's - is no part of the name.
      const bare = readWhole(
        field,
        new Value({ ...tree, text: tree.text.slice(1) }, inner.place, inner.asks, inner.at),
      );
      read[field.name] = `-${bare}`;
    } else read[field.name] = readWhole(field, inner);
  }
  if (removes || value.tree.kind !== "object") return read;
  const missing = requiredOf(message).find((name) => isEmpty(read[name]));
  if (missing !== undefined) value.within({ kind: "null" }, `.${missing}`).fault(bad("a value"));
  else value.fault(checkTogether(message, read));
  return read;
}

function isEmpty(value: Plain | undefined): boolean {
  return value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
}

/** Whether a field of a message is as good as absent: proto3 does not tell its zero from that. */
function isAbsent({ shape, kind, type }: Field, { tree, shown }: Value): boolean {
  if (shape === "list") return tree.kind === "array" && tree.items.length === 0;
  if (shape === "map") return tree.kind === "object" && tree.entries.length === 0;
  return kind === "scalar" && shown === String(zeroOf(type));
}

function zeroOf(type: string): Plain {
  const zeros: Readonly<Record<string, Plain>> = { string: "", bool: false, int32: 0, uint32: 0 };
  return zeros[type] ?? 0n;
}

function readEnum(type: string, tree: JsonTree): Parsed<string> {
  const names = enumNames(type);
  if (tree.kind === "string" && names.includes(tree.text)) return good(tree.text);
  const remedy = tree.kind === "string" ? suggest(tree.text, names, "use one of them") : "write its name";
  return bad(`one of ${names.join(", ")}`, remedy);
}

function readScalar(type: string, { range = integers[type] ?? int64, check }: Rule, tree: JsonTree): Parsed<Plain> {
  const otherwise = `, not ${describeTree(tree)}`;
  if (type === "bool")
    return tree.kind === "bool" ? good(tree.value) : bad(`true or false, without quotes${otherwise}`);
  if (type === "string") {
    if (tree.kind !== "string") return bad(`a text in quotes${otherwise}`);
    return check?.(tree.text) ?? good(tree.text);
  }
  // protobuf's JSON has 64-bit integers as texts.
  const is64 = type.endsWith("64");
  const isDigits = tree.kind === "number" || (tree.kind === "string" && is64);
  const value = isDigits ? parseInteger(tree.text, range) : undefined;
  if (value === undefined) return bad(`${describeRange(range)}${isDigits ? "" : otherwise}`);
  return good(is64 ? value : Number(value));
}
