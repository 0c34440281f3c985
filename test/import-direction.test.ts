import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const src = resolve(import.meta.dirname, "../src");

/**
 * Which room may know which. A room is a folder of src, or a file of src without its ending. `npm` lists packages and
 * node: modules; "*" is anything.
 */
const rooms: Record<string, { readonly rooms: readonly string[] | "*"; readonly npm: readonly string[] | "*" }> = {
  errors: { rooms: [], npm: [] },
  files: { rooms: ["errors"], npm: ["node:fs", "node:path"] },
  deadline: { rooms: [], npm: [] },
  cancellation: { rooms: [], npm: [] },
  version: { rooms: [], npm: [] },
  logger: { rooms: [], npm: [] },
  nearest: { rooms: [], npm: [] },
  wire: { rooms: ["errors"], npm: [] },
  transport: { rooms: ["wire", "errors", "deadline"], npm: ["node:net", "node:fs", "node:path"] },
  gen: { rooms: [], npm: ["protobufjs"] },
  ttrpc: { rooms: ["wire", "transport", "gen", "errors", "deadline", "cancellation"], npm: ["protobufjs"] },
  nri: {
    rooms: ["logger", "ttrpc", "transport", "wire", "gen", "oci", "errors", "deadline", "cancellation"],
    npm: ["protobufjs", "node:child_process"],
  },
  secrets: { rooms: ["gojson"], npm: [] },
  gojson: { rooms: ["errors"], npm: [] },
  oci: { rooms: ["gojson", "errors"], npm: [] },
  v01: { rooms: ["gojson", "oci", "errors"], npm: [] },
  translate: { rooms: ["v01", "nri", "oci", "gojson", "errors", "nearest"], npm: [] },
  cgroup: { rooms: ["oci", "errors", "host"], npm: ["node:fs", "node:child_process"] },
  // koffi, the FFI library, is asked for at run time: nothing of it is in the bundle.
  ffi: { rooms: [], npm: ["node:path", "node:sea", "node:fs", "node:module", "node:os", "node:url"] },
  host: { rooms: ["ffi", "oci", "errors", "deadline", "files"], npm: ["node:fs", "node:timers"] },
  legacy: {
    rooms: ["v01", "gojson", "cgroup", "ffi", "host", "logger", "errors", "deadline", "files"],
    npm: ["execa", "node:fs", "node:net", "node:path", "node:stream", "node:os", "node:timers"],
  },
  state: {
    rooms: ["v01", "translate", "host", "gojson", "oci", "errors", "deadline", "files", "logger"],
    npm: ["node:fs", "node:path", "node:crypto", "node:net", "node:zlib", "node:timers"],
  },
  config: { rooms: ["errors", "nearest"], npm: ["zod", "yaml"] },
  log: {
    rooms: ["errors", "files", "logger"],
    npm: ["pino", "node:fs", "node:path", "node:net", "node:child_process"],
  },
  notify: { rooms: ["deadline", "errors", "ffi", "logger"], npm: ["node:child_process"] },
  serial: { rooms: [], npm: [] },
  trace: { rooms: [], npm: [] },
  engine: { rooms: [], npm: ["node:v8"] },
  "watch-calls": { rooms: ["deadline", "errors", "logger", "nri", "ttrpc"], npm: [] },
  metrics: {
    rooms: ["deadline", "errors", "files", "logger", "nri", "watch-calls"],
    npm: ["prom-client", "node:fs", "node:http", "node:net", "node:path"],
  },
  "spec-source": { rooms: ["host", "logger", "oci", "translate", "v01", "errors"], npm: [] },
  cgroups: { rooms: ["cgroup", "deadline", "errors", "logger", "oci"], npm: ["node:fs"] },
  "plugin-stage": {
    rooms: ["chain-call", "cgroup", "cgroups", "config", "errors", "legacy", "lifecycle", "oci", "translate"],
    npm: [],
  },
  "apply-own": { rooms: ["cgroups", "chain-call", "config", "legacy", "translate"], npm: [] },
  "chain-runner": {
    rooms: [
      "apply-own",
      "chain-call",
      "cgroup",
      "cgroups",
      "plugin-stage",
      "config",
      "deadline",
      "legacy",
      "lifecycle",
      "log",
      "logger",
      "nri",
      "secrets",
      "trace",
      "translate",
      "v01",
    ],
    npm: [],
  },
  occasion: { rooms: ["deadline", "nri", "trace"], npm: [] },
  "chain-call": { rooms: ["occasion", "state", "translate", "v01"], npm: [] },
  lifecycle: {
    rooms: [
      "chain-call",
      "occasion",
      "config",
      "deadline",
      "errors",
      "host",
      "legacy",
      "logger",
      "nri",
      "serial",
      "spec-source",
      "state",
      "trace",
      "translate",
      "v01",
    ],
    npm: [],
  },
  bridge: {
    rooms: [
      "chain-call",
      "occasion",
      "lifecycle",
      "nri",
      "v01",
      "translate",
      "legacy",
      "cgroup",
      "host",
      "state",
      "deadline",
      "errors",
      "oci",
      "config",
      "logger",
      "serial",
      "spec-source",
    ],
    npm: [],
  },
  "hand-on": { rooms: ["nri"], npm: [] },
  sandboxes: { rooms: ["config", "host", "logger", "nri"], npm: [] },
  node: { rooms: ["cgroups", "ffi", "legacy", "config", "host", "logger", "service", "state"], npm: [] },
  service: { rooms: "*", npm: [] },
  record: { rooms: "*", npm: ["node:fs", "node:path"] },
  conformance: {
    rooms: ["v01", "oci", "legacy", "gojson", "errors", "explain", "files", "replay"],
    npm: ["node:fs", "node:path"],
  },
  doctor: {
    rooms: ["cgroup", "config", "errors", "files", "gojson", "host", "legacy", "nearest", "nri", "sandboxes", "v01"],
    npm: ["node:fs", "node:path", "node:child_process", "node:util", "smol-toml", "yaml"],
  },
  explain: {
    rooms: [
      "cgroup",
      "cgroups",
      "chain-runner",
      "config",
      "doctor",
      "errors",
      "gojson",
      "legacy",
      "logger",
      "nearest",
      "nri",
      "oci",
      "replay",
      "translate",
      "v01",
    ],
    npm: ["node:fs", "node:path"],
  },
  replay: { rooms: "*", npm: "*" },
  cli: { rooms: "*", npm: "*" },
  main: { rooms: "*", npm: "*" },
};

/** Rooms that only see the types of another one. */
const typesOnly: readonly (readonly [string, string])[] = [
  ["translate", "nri"],
  ["ttrpc", "transport"],
];

function sourceFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? sourceFiles(path) : path.endsWith(".ts") ? [path] : [];
  });
}

function roomOf(path: string): string {
  const [first = ""] = relative(src, path).split("/");
  return first.replace(/\.[jt]s$/, "");
}

const imports = sourceFiles(src).flatMap((file) =>
  [
    ...readFileSync(file, "utf8").matchAll(
      /^(?:import|export)\s+(type\s)?[^;"']*?from\s+"([^"]+)"|import\("([^"]+)"\)/gm,
    ),
  ].map(([, type, from, late]) => ({
    file: relative(src, file),
    room: roomOf(file),
    target: from ?? late ?? "",
    typeOnly: type !== undefined,
    targetRoom: (from ?? late ?? "").startsWith(".") ? roomOf(resolve(dirname(file), from ?? late ?? "")) : undefined,
  })),
);

describe("the rooms of src", () => {
  it("are all in the table", () => {
    expect(new Set(imports.map((entry) => entry.room).filter((room) => !Object.hasOwn(rooms, room)))).toEqual(
      new Set(),
    );
    expect(imports.length).toBeGreaterThan(50);
  });

  it.each(Object.entries(rooms))("%s imports only what it may know", (room, allowed) => {
    const wrong = imports
      .filter((entry) => entry.room === room && entry.targetRoom !== room)
      .filter(({ target, targetRoom }) =>
        targetRoom === undefined
          ? allowed.npm !== "*" && !allowed.npm.some((name) => target === name || target.startsWith(`${name}/`))
          : allowed.rooms !== "*" && !allowed.rooms.includes(targetRoom),
      )
      .map(({ file, target }) => `${file} imports ${target}`);
    expect(wrong).toEqual([]);
  });

  it.each(typesOnly)("%s sees only the types of %s", (room, target) => {
    const wrong = imports.filter((entry) => entry.room === room && entry.targetRoom === target && !entry.typeOnly);
    expect(wrong.map(({ file, target: from }) => `${file} imports ${from}`)).toEqual([]);
  });
});
