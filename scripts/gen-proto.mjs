// Generates src/gen/nri.ts from proto/nri.proto and proto/ttrpc.proto: plain types, and one reader and one writer per message.
//
//   node scripts/gen-proto.mjs           writes src/gen/nri.ts
//   node scripts/gen-proto.mjs --check   fails when src/gen/nri.ts is not what the schemas give
//
// Straight code instead of protobufjs' reflection, because every event is decoded under a node-wide lock: one pass from
// bytes to plain values, int64 as bigint, no code made at run time, nothing to load. protobufjs only parses the schema
// here, and is the independent reader and writer that the tests compare with.
import { readFileSync } from "node:fs";
import protobuf from "protobufjs";
import { writeOrCheck } from "./write-or-check.mjs";

const schemas = ["nri", "ttrpc"].map((name) => new URL(`../proto/${name}.proto`, import.meta.url));

// The messages that are read and written by themselves. One name for requests that share a layout: RunPodSandboxRequest is
// { pod } as the other pod events are, and CreateContainerRequest { pod, container } as the other container events are
// (test/nri/schema.test.ts).
const roots = [
  "RegisterPluginRequest",
  "ConfigureRequest",
  "ConfigureResponse",
  "SynchronizeRequest",
  "SynchronizeResponse",
  "RunPodSandboxRequest",
  "UpdatePodSandboxRequest",
  "CreateContainerRequest",
  "CreateContainerResponse",
  "UpdateContainerRequest",
  "UpdateContainerResponse",
  "StopContainerResponse",
  "StateChangeEvent",
  // For what is kept in files.
  "PodSandbox",
  "Container",
  // Of ttRPC. Its KeyValue is laid out as NRI's, and is read and written as that.
  "Request",
  "Response",
];

// The most values of a list that a reader takes. More metadata than this is no trace context: a body of 16 MiB could claim
// eight million pairs.
const limits = { Request: { metadata: 1024 } };

// What no v0.1 request is made of, and most of an event: a sparing reader passes over it.
const spared = {
  Container: [
    "args",
    "env",
    "mounts",
    "hooks",
    "rlimits",
    "created_at",
    "started_at",
    "finished_at",
    "exit_code",
    "status_reason",
    "status_message",
    "CDI_devices",
    "user",
    "image",
  ],
  LinuxContainer: [
    "devices",
    "oom_score_adj",
    "io_priority",
    "seccomp_profile",
    "seccomp_policy",
    "sysctl",
    "net_devices",
    "scheduler",
    "rdt",
  ],
};

const scalars = {
  string: { type: "string", zero: '""', wire: 2 },
  bool: { type: "boolean", zero: "false", wire: 0 },
  int32: { type: "number", zero: "0", wire: 0 },
  uint32: { type: "number", zero: "0", wire: 0 },
  int64: { type: "bigint", zero: "0n", wire: 0, read: "bigInt64" },
  uint64: { type: "bigint", zero: "0n", wire: 0, read: "bigUint64" },
  bytes: { type: "Uint8Array", zero: "new Uint8Array(0)", wire: 2 },
};

const root = new protobuf.Root();
const packages = schemas.map((url) => protobuf.parse(readFileSync(url, "utf8"), root, { keepCase: true }).package);
root.resolveAll();
const lookup = (name) => packages.map((at) => root.lookup(`${at}.${name}`)).find((type) => type !== null);
for (const [name, fields] of Object.entries(spared))
  for (const field of fields) if (!(field in lookup(name).fields)) throw new Error(`${name} has no ${field}`);

// protobuf's JSON name: an underscore goes, and the letter after it is a capital.
const jsonName = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

const isWrapper = (type) => type instanceof protobuf.Type && /^Optional[A-Z]/.test(type.name);

// What a field's values are: one of five kinds, with the names that its code is made of.
function kindOf(typeName, resolved) {
  if (resolved === null) {
    const scalar = scalars[typeName];
    if (!scalar) throw new Error(`scalar ${typeName} is not supported`);
    return { kind: "scalar", name: typeName, ...scalar, init: scalar.type };
  }
  if (resolved instanceof protobuf.Enum) {
    const { name } = resolved;
    return { kind: "enum", name, type: name, init: name, wire: 0 };
  }
  if (isWrapper(resolved)) {
    const [inner] = resolved.fieldsArray;
    const value = scalars[inner.type].type + (inner.repeated ? "[]" : "");
    return {
      kind: "wrapper",
      name: resolved.name,
      inner: inner.type,
      type: value,
      init: inner.repeated ? `readonly ${value}` : value,
      wire: 2,
    };
  }
  return { kind: "message", name: resolved.name, type: resolved.name, init: `${resolved.name}Init`, wire: 2 };
}

function fieldOf(field) {
  if (field.map && field.keyType !== "string") throw new Error(`${field.fullName}: a map's key is to be a string`);
  const value = kindOf(field.type, field.resolvedType);
  const shape = field.map ? "map" : field.repeated ? "list" : "one";
  const sparing = spared[field.parent.name]?.includes(field.name) ?? false;
  const limit = limits[field.parent.name]?.[field.name];
  return { proto: field.name, key: jsonName(field.name), id: field.id, shape, sparing, limit, ...value };
}

function reachable() {
  const found = new Map();
  const visit = (type) => {
    if (found.has(type.name)) return;
    found.set(type.name, type);
    if (type instanceof protobuf.Type)
      for (const field of type.fieldsArray) if (field.resolvedType) visit(field.resolvedType);
  };
  for (const name of roots) visit(lookup(name));
  const all = [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    enums: all.filter((type) => type instanceof protobuf.Enum),
    wrappers: all.filter(isWrapper),
    messages: all.filter((type) => type instanceof protobuf.Type && !isWrapper(type)),
  };
}

const byId = (type) => type.fieldsArray.map(fieldOf).sort((a, b) => a.id - b.id);
const tag = (field, wire) => (field.id << 3) | wire;

function typeText(field) {
  if (field.shape === "map") return `${field.key}: Record<string, ${field.type}>`;
  if (field.shape === "list") return `${field.key}: ${field.type}[]`;
  return field.kind === "scalar" || field.kind === "enum"
    ? `${field.key}: ${field.type}`
    : `${field.key}?: ${field.type}`;
}

function initText(field) {
  if (field.shape === "map") return `${field.key}?: Readonly<Record<string, ${field.init}>> | undefined`;
  if (field.shape === "list") return `${field.key}?: readonly ${field.init}[] | undefined`;
  return `${field.key}?: ${field.init} | undefined`;
}

function zeroText(field) {
  if (field.shape === "map") return "emptyMap()";
  if (field.shape === "list") return "[]";
  return field.kind === "enum" ? `${field.name}Names[0]` : field.zero;
}

function readValue(field, previous) {
  if (field.kind === "scalar") return `r.${field.read ?? field.name}()`;
  if (field.kind === "enum") return `read${field.name}(r)`;
  return `read${field.name}(r, r.enter()${previous ? `, ${previous}` : ""})`;
}

function readCases(field) {
  const cases = wholeCases(field);
  // `case 8: read; break;` becomes `case 8: if (r.sparing) skip; else read; break;`
  return field.sparing ? cases.map((text) => text.replace(/: /, `: if (r.sparing) ${skip}; else `)) : cases;
}

function wholeCases(field) {
  const target = `m.${field.key}`;
  if (field.shape === "map") return [`case ${tag(field, 2)}: read${entryName(field)}(r, r.enter(), ${target}); break;`];
  if (field.shape === "one") {
    const previous = field.kind === "message" || field.kind === "wrapper" ? target : "";
    return [`case ${tag(field, field.wire)}: ${target} = ${readValue(field, previous)}; break;`];
  }
  const check = field.limit ? `r.limit(${target}.length, ${field.limit}); ` : "";
  const cases = [`case ${tag(field, field.wire)}: ${check}${target}.push(${readValue(field)}); break;`];
  if (field.wire === 0)
    cases.push(
      `case ${tag(field, 2)}: for (const end = r.enter(); r.pos < end; ) ${target}.push(${readValue(field)}); break;`,
    );
  return cases;
}

function writeValue(field, value) {
  if (field.kind === "scalar") return `w.${field.name}(${tag(field, field.wire)}, ${value});`;
  if (field.kind === "enum") return `w.int32(${tag(field, 0)}, ${field.name}Numbers[${value}]);`;
  return `{ w.open(${tag(field, 2)}); write${field.name}(w, ${value}); w.close(); }`;
}

function writeField(field) {
  const source = `m.${field.key}`;
  if (field.shape === "map")
    return `if (${source}) for (const [k, v] of Object.entries(${source})) { w.open(${tag(field, 2)}); write${entryName(field)}(w, k, v); w.close(); }`;
  if (field.shape === "list" && field.wire === 0) {
    const element = field.kind === "enum" ? `w.packedInt32(${field.name}Numbers[v])` : `w.packedUint32(v)`;
    if (field.kind === "scalar" && field.name !== "uint32")
      throw new Error(`a packed list of ${field.name} is not supported`);
    return `if (${source}?.length) { w.open(${tag(field, 2)}); for (const v of ${source}) ${element}; w.close(); }`;
  }
  if (field.shape === "list") return `if (${source}) for (const v of ${source}) ${writeValue(field, "v")}`;
  if (field.name === "bytes") return `if (${source}?.length) ${writeValue(field, source)}`;
  if (field.kind === "scalar") return `if (${source}) ${writeValue(field, source)}`;
  if (field.kind === "enum")
    return `if (${source} && ${source} !== ${field.name}Names[0]) ${writeValue(field, source)}`;
  return `if (${source} !== undefined) ${writeValue(field, source)}`;
}

const entryName = (field) => `${field.type[0].toUpperCase()}${field.type.slice(1)}Entry`;

// An unknown field, or a known one with another wire type.
const skip = "r.skipType(tag & 7, undefined, tag >>> 3)";

function readFunction(name, signature, zero, cases) {
  return [
    `export function read${name}(r: Reader, end: number, ${signature} {`,
    ...zero,
    "  while (r.pos < end) {",
    "    const tag = r.tag();",
    "    switch (tag) {",
    ...cases.map((line) => `      ${line}`),
    `      default: ${skip};`,
    "    }",
    "  }",
    "  r.leave(end);",
  ];
}

function enumCode(type) {
  const entries = Object.entries(type.values).sort(([, a], [, b]) => a - b);
  if (entries.some(([, number], index) => number !== index)) throw new Error(`${type.name} has a gap`);
  return [
    `${type.name === "Event" ? "export " : ""}const ${type.name}Names = [${entries.map(([name]) => `"${name}"`).join(", ")}] as const;`,
    `const ${type.name}Numbers = { ${entries.map(([name, number]) => `${name}: ${number}`).join(", ")} } as const;`,
    `export type ${type.name} = (typeof ${type.name}Names)[number];`,
    `function read${type.name}(r: Reader): ${type.name} {`,
    `  return ${type.name}Names[r.int32()] ?? ${type.name}Names[0];`,
    "}",
  ];
}

function wrapperCode(type) {
  const [inner] = byId(type);
  const value = inner.type + (inner.shape === "list" ? "[]" : "");
  const assign = inner.shape === "list" ? `value.push(${readValue(inner)})` : `value = ${readValue(inner)}`;
  const write =
    inner.shape === "list"
      ? `for (const v of value) ${writeValue(inner, "v")}`
      : `if (value) ${writeValue(inner, "value")}`;
  return [
    ...readFunction(
      type.name,
      `value: ${value} = ${inner.shape === "list" ? "[]" : inner.zero}): ${value}`,
      [],
      [`case ${tag(inner, inner.wire)}: ${assign}; break;`],
    ),
    "  return value;",
    "}",
    `export function write${type.name}(w: Writer, value: ${inner.shape === "list" ? "readonly " : ""}${value}): void {`,
    `  ${write}`,
    "}",
  ];
}

function entryCode(field) {
  const zero = field.kind === "message" ? `read${field.name}(r, r.pos)` : field.zero;
  const value = { ...field, id: 2, shape: "one" };
  return [
    ...readFunction(
      entryName(field),
      `map: Record<string, ${field.type}>): void`,
      [`  let key = "";`, `  let value: ${field.type} = ${zero};`],
      [`case 10: key = r.string(); break;`, `case ${tag(value, field.wire)}: value = ${readValue(value)}; break;`],
    ),
    "  map[key] = value;",
    "}",
    `function write${entryName(field)}(w: Writer, key: string, value: ${field.init}): void {`,
    "  w.string(10, key);",
    `  ${writeValue(value, "value")}`,
    "}",
  ];
}

function messageCode(type) {
  const fields = byId(type);
  const zeros = fields.filter((field) => field.shape !== "one" || field.kind === "scalar" || field.kind === "enum");
  return [
    `export interface ${type.name} {`,
    ...fields.map((field) => `  ${typeText(field)};`),
    "}",
    `export interface ${type.name}Init {`,
    ...fields.map((field) => `  readonly ${initText(field)};`),
    "}",
    `function empty${type.name}(): ${type.name} {`,
    `  return { ${zeros.map((field) => `${field.key}: ${zeroText(field)}`).join(", ")} };`,
    "}",
    ...readFunction(type.name, `m: ${type.name} = empty${type.name}()): ${type.name}`, [], fields.flatMap(readCases)),
    "  return m;",
    "}",
    `export function write${type.name}(w: Writer, m: ${type.name}Init): void {`,
    ...fields.map((field) => `  ${writeField(field)}`),
    "}",
    ...(roots.includes(type.name)
      ? [
          `export const ${type.name} = { message: "${type.name}", read: read${type.name}, write: write${type.name} } as const;`,
        ]
      : []),
  ];
}

// For messages as JSON: the field's name and number in the schema, and what holds its value.
function shapeText(field) {
  const shape = field.kind === "wrapper" && field.type.endsWith("[]") ? "wrapped list" : field.shape;
  const type = field.kind === "wrapper" ? field.inner : field.name;
  return `${field.key}: ["${field.proto}", ${field.id}, "${shape}", "${field.kind}", "${type}"]`;
}

function shapesCode(messages) {
  return [
    "// For JSON: each field's name and number in the schema; whether it is one value, a list, a map, or a list in a wrapper; what",
    "// a value is, and the scalar in it, the enum or the message.",
    "export const shapes = {",
    ...messages.map((type) => `  ${type.name}: { ${byId(type).map(shapeText).join(", ")} },`),
    "} as const;",
  ];
}

function enumsCode(enums) {
  return [
    "// The names of each enum's values, by their numbers.",
    `export const enums = { ${enums.map(({ name }) => `${name}: ${name}Names`).join(", ")} } as const;`,
  ];
}

function generate() {
  const { enums, wrappers, messages } = reachable();
  const maps = new Map(
    messages
      .flatMap((type) => byId(type).filter((field) => field.shape === "map"))
      .map((field) => [entryName(field), field]),
  );
  const blocks = [
    [
      "// Generated from the schemas in proto by scripts/gen-proto.mjs. Do not edit: run `npm run gen`.",
      'import type { ProtobufReader as Reader, ProtobufWriter as Writer } from "../nri/wire/protobuf.js";',
    ],
    [
      "// With an empty prototype, so that a label named __proto__ is a label. By a constructor: what Object.create(null) makes",
      "// is a hash table in V8, twice as large and slower.",
      "const EmptyMap = function () {} as unknown as { new (): Record<string, never>; prototype: object };",
      "EmptyMap.prototype = Object.create(null);",
      "function emptyMap(): Record<string, never> {",
      "  return new EmptyMap();",
      "}",
    ],
    ...enums.map(enumCode),
    ...wrappers.map(wrapperCode),
    ...[...maps.values()].map(entryCode),
    ...messages.map(messageCode),
    shapesCode(messages),
    enumsCode(enums),
  ];
  return `${blocks.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

writeOrCheck("src/gen/nri.ts", generate());
