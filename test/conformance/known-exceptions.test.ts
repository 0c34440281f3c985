import { describe, expect, it } from "vitest";
import { readCases } from "../v01/recordings.js";
import { casesOf } from "./expected.js";
import { knownExceptions } from "./known-exceptions.js";

describe("the known exceptions", () => {
  const rows = knownExceptions.flatMap(({ cases, modes, differences }) =>
    cases.flatMap((name) => modes.map((mode) => ({ name, mode, differences }))),
  );

  it.each(rows)("$name, $mode: is a case that is played so, with differences", ({ name, mode, differences }) => {
    expect(casesOf(mode).map((recorded) => recorded.name)).toContain(name);
    expect(differences).not.toEqual([]);
  });

  it("leave most of the 91 cases without any", () => {
    const all = readCases().map(({ name }) => name);
    expect(all).toHaveLength(91);
    const excepted = new Set(rows.filter(({ mode }) => mode !== "events only").map(({ name }) => name));
    expect(excepted.size).toBe(10);
  });
});
