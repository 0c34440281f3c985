import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const src = resolve(import.meta.dirname, "../src");

/**
 * Which rooms a room may import, from the lowest up. `import type` may point anywhere: no type is written twice to please a test.
 * Within a room imports are free. A room of two words is a folder within a room, with more rules of its own.
 */
const layers: Readonly<Record<string, readonly string[]>> = {
  base: [],
  gen: [],
  config: ["base"],
  "v01/gojson": [],
  v01: ["base", "v01/gojson"],
  host: ["base"],
  "nri/wire": ["base"],
  "nri/ttrpc": ["base", "gen", "nri/wire"],
  nri: ["base", "gen", "nri/wire", "nri/ttrpc"],
  observe: ["base", "host", "nri", "v01/gojson"],
  adjust: ["base", "nri", "v01", "v01/gojson"],
  plugin: ["base", "host", "v01", "v01/gojson"],
  cgroup: ["base", "host", "v01"],
  ledger: ["base", "v01", "v01/gojson"],
  bridge: ["base", "config", "host", "nri", "observe", "v01", "adjust", "plugin", "cgroup", "ledger"],
};

interface Import {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

function roomOf(path: string): string {
  const [room = "", inner = ""] = path.split("/");
  return Object.hasOwn(layers, `${room}/${inner}`) ? `${room}/${inner}` : room;
}

/** The imports of src that are there at run time, between rooms. */
const imports: readonly Import[] = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts") && file.includes("/"))
  .flatMap((file) => {
    const text = readFileSync(join(src, file), "utf8");
    return [...text.matchAll(/^(?:import|export) (?!type )[^;]*?from "(\.[^"]+)"|import\("(\.[^"]+)"\)/gm)].flatMap(
      (match) => {
        const names = /\{([^}]*)\}/.exec(match[0])?.[1]?.split(",") ?? [""];
        if (names.every((name) => name.trim().startsWith("type "))) return [];
        const to = normalize(join(dirname(file), match[1] ?? match[2] ?? ""));
        return [{ file, from: roomOf(file), to: roomOf(to) }];
      },
    );
  })
  .filter(({ from, to }) => from !== to);

describe("the rooms of src", () => {
  it.each(Object.entries(layers))("%s knows those below it alone", (room, below) => {
    expect(imports.filter(({ from, to }) => from === room && !below.includes(to))).toEqual([]);
  });

  it("are known to tools, and tools to the command line alone", () => {
    expect(imports.filter(({ from, to }) => to === "tools" && from !== "cli")).toEqual([]);
    expect(imports.filter(({ from, to }) => to === "cli" && from !== "main.ts")).toEqual([]);
  });

  it("are all listed here", () => {
    const rooms = new Set(imports.map(({ from }) => from));
    expect([...rooms].filter((room) => !Object.hasOwn(layers, room) && room !== "cli" && room !== "tools")).toEqual([]);
  });
});

describe("the map, src/README.md", () => {
  const map = readFileSync(join(src, "README.md"), "utf8");

  it("names each room, once", () => {
    const named = [...map.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]);
    const rooms = readdirSync(src, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
    expect(named.toSorted()).toEqual(rooms.toSorted());
  });

  it("names files that are there", () => {
    const files = [...map.matchAll(/`((?:\w+\/)+[\w-]+\.ts)`/g)].flatMap((match) => match[1] ?? []);
    expect(files.length).toBeGreaterThan(15);
    expect(files.filter((file) => !existsSync(join(src, file)) && !existsSync(join(src, "..", file)))).toEqual([]);
  });
});
