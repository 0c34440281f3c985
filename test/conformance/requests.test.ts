import { describe, expect, it } from "vitest";
import { createCases } from "../../src/tools/conformance/cases.js";
import { toRawJson } from "../../src/v01/gojson/raw.js";

const cases = createCases(2070, undefined, "start");
const inputOf = (name: string) => cases.find((candidate) => candidate.name === name)?.runs[0]?.input ?? "";
describe("the cases of the verb", () => {
  it("have names of their own", () => {
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });

  it("are requests that can be read, but for those that say that they cannot; each state for sandbox and container", () => {
    const seen = cases.flatMap(({ name, runs, expects }) =>
      runs.flatMap(({ input }) => {
        if (expects === "end") {
          expect(() => JSON.parse(input)).toThrow();
          return [];
        }
        const { state, id, sandboxID, spec } = JSON.parse(input);
        expect([name, spec]).toEqual([name, expect.objectContaining({})]);
        return `${state} ${id === sandboxID}`;
      }),
    );
    for (const state of ["create", "delete", "update"])
      expect(seen).toEqual(expect.arrayContaining([`${state} true`, `${state} false`]));
    expect(inputOf("large-request").length).toBeGreaterThan(1_000_000);
  });

  it("have the plugin's own conf, but for those that try another one or none", () => {
    const without = createCases(7, toRawJson('{"own":1}'), "start")
      .filter(
        ({ expects, runs }) => expects !== "end" && !runs.every(({ input }) => input.startsWith('{"conf":{"own":1},')),
      )
      .map(({ name }) => name);
    expect(without).toEqual(cases.map(({ name }) => name).filter((name) => name.startsWith("conf-")));
    expect(inputOf("conf-absent")).not.toContain('"conf"');
  });

  it("name the process that is given, and in phase create none for a container", () => {
    const pids = (phase: "start" | "create") =>
      createCases(7, undefined, phase).flatMap(({ runs }) =>
        runs.flatMap(({ input }) => input.match(/"pid":\d+/g) ?? []),
      );
    expect(new Set(pids("start"))).toEqual(new Set(['"pid":7']));
    expect(pids("create")).toEqual(['"pid":7', '"pid":7', '"pid":7']);
  });
});
