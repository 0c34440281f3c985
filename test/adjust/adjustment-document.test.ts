import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { type Field, pathTo, settable } from "../../src/adjust/fields.js";
import type { Phase } from "../../src/adjust/from-v01.js";
import { adjustedFields, writtenFields } from "../e2e/testbed/adjusted-fields.js";
import { changeOf, contextOf, errorOf, knownKeys, parseAnswer } from "./adjustment-support.js";

const document = readFileSync(resolve(import.meta.dirname, "../../docs/RESULTS.md"), "utf8");

/** The rows of the tables of keys. */
const rows = document
  .split("\n")
  .filter((line) => /^\| *`[^`]+` *\| *`"adjust\./.test(line))
  .map((line) => {
    const [, key = "", example = "", listed = "", needs = ""] = line.split("|").map((cell) => cell.trim());
    return { key: key.slice(1, -1), example: example.slice(1, -1), phases: listed.split(", "), needs };
  });

const phases: readonly Phase[] = ["create", "start", "update", "delete"];

function metadataOf(example: string): Record<string, string> {
  return JSON.parse(`{${example}}`);
}

describe("docs/RESULTS.md", () => {
  it("has a row for each key, and no other", () => {
    expect(rows.map(({ key }) => key.replace(/<\w+>/g, "<name>")).toSorted()).toEqual([...knownKeys()].toSorted());
  });

  describe.each(rows)("$key", ({ example, phases: listed, needs }) => {
    const metadata = metadataOf(example);
    const cgroupVersion = needs === "cgroup v1" ? 1 : needs === "cgroup v2" ? 2 : "unknown";

    it.each(phases)("takes effect in phase %s, or is an error there, in a delete a warning", (phase) => {
      const parsed = parseAnswer({ metadata }, contextOf({ phase, cgroupVersion }));
      const inVain = phase === "delete" && !listed.includes(phase);
      expect(parsed.ok, parsed.ok ? "no error" : parsed.error).toBe(listed.includes(phase) || inVain);
      if (parsed.ok && inVain) {
        expect(parsed.change).toMatchObject({ fields: [], updates: [] });
        expect(parsed.change.notes).toEqual([
          { level: "warn", text: expect.stringContaining("takes effect in phase") },
        ]);
        return;
      }
      if (!parsed.ok) expect(parsed.error).toContain("takes effect in phase");
      else expect(parsed.change.fields).toHaveLength(1);
    });

    it.each(needs.startsWith("NRI") ? [needs] : [])("needs the NRI version that the row names: %s", () => {
      const [, minor = "0"] = /0\.(\d+)/.exec(needs) ?? [];
      expect(parseAnswer({ metadata }, contextOf({ nriVersion: `0.${minor}.0` })).ok).toBe(true);
      expect(errorOf({ metadata }, contextOf({ nriVersion: `0.${Number(minor) - 1}.9` }))).toContain(
        `needs NRI 0.${minor}`,
      );
    });

    it.each(needs.startsWith("cgroup") ? [needs] : [])("is an error on another host than %s", () => {
      const phase = listed.includes("create") ? "create" : "start";
      const error = errorOf({ metadata }, contextOf({ phase, cgroupVersion: cgroupVersion === 1 ? 2 : 1 }));
      expect(error).toContain(`takes effect on hosts with ${needs}`);
    });
  });

  it("shows messages that set all that can be set at a create", () => {
    const [, text = ""] = /## NRI's own messages[\s\S]*?```json\n([\s\S]*?)```/.exec(document) ?? [];
    const { fields } = changeOf(JSON.parse(text));
    const isShown = (key = "") => fields.some((field) => field === key || field.startsWith(`${key}.`));
    const created = settable.filter(({ rule }) => rule.gate?.phases.includes("create"));
    const missing = created.map(({ rule }) => rule.key).filter((key) => !isShown(key));
    expect(missing.filter((key) => !/^hook|realtime|evict|rdt.remove/.test(key ?? ""))).toEqual([]);
    expect(fields).toContain("update.ffc0ffee.cpu.shares");
  });

  it("has a row for each field, with its phases and the NRI that brought it", () => {
    const path = ({ message, name }: Field) =>
      ["adjust", ...pathTo(message, false).slice(1), name].join(".").replace(/^adjust\.(evict$)?/, "$1");
    const expected = settable.map((field) => {
      const { phases: listed = [], since } = field.rule.gate ?? {};
      return [path(field), listed.join(", "), since];
    });
    const found = [...document.matchAll(/^\| `([\w.]+)` +\| ([\w, ]+?) +\| (?:NRI (0\.\d+))? +\| (?:[12]\.|enc)/gm)];
    // Since 0.2 is since ever.
    const told = found.map(([, field, listed, since]) => [field, listed, since === "0.2" ? undefined : since]);
    expect(told.toSorted()).toEqual(expected.toSorted());
  });

  it("names those as seen that a test with real runtimes looks for", () => {
    const target = { runtime: "v2", daemon: { uidPart: "", logRoot: "" } };
    const created = adjustedFields(target).map(({ path, since }) => [
      path,
      since === undefined ? "1.7.24, 2.1.9" : "2.1.9",
    ]);
    const written = writtenFields.map(([path]) => [`linux.resources.${path}`, "1.7.24, 2.1.9"]);
    const seen = [...document.matchAll(/^\| `([\w.]+)` +\|[^|]+\|[^|]+\| ((?:1\.7\.24, )?2\.1\.9) +\|/gm)];
    // A plugin in phase start has what one in phase create has of the older runtime not yet.
    const expected = new Map([...created, ...written].map(([path = "", runtimes]) => [path, runtimes]));
    expect(new Map(seen.map(([, path = "", runtimes]) => [path, runtimes]))).toEqual(expected);
  });

  it("shows error texts as they are", () => {
    const texts = [...document.matchAll(/```text\n(.*)\n```/g)].map(([, text]) => text);
    expect(texts).toEqual([
      errorOf({ metadata: { "adjust.cpu.quota": "abc" } }),
      errorOf({ metadata: { "adjust.memory.swap": "0" } }),
    ]);
  });
});
