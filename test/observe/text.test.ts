import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withSeverity } from "../../src/observe/log-destination.js";
import { formatTextLine } from "../../src/observe/log-text.js";
import { anyText } from "../support/any-text.js";

const time = "2026-01-02T03:04:05.678Z";

function line(fields: object, level = "info", msg = "plugin ran"): string {
  return JSON.stringify({ level, time, pid: process.pid, ...fields, msg });
}

describe("the log as text", () => {
  it.each<[string, object, string]>([
    ["a sentence alone", {}, ""],
    ["a plain value bare", { plugin: "clearcfs" }, " plugin=clearcfs"],
    ["a value with a space in quotes", { error: "no such file" }, ' error="no such file"'],
    ["an empty value in quotes", { path: "" }, ' path=""'],
    ["nothing for null", { signal: null, exitCode: 0 }, " exitCode=0"],
    ["a list with commas", { shadowed: ["/a", "/b"] }, " shadowed=/a,/b"],
    ["objects of a list as their values", { plugins: [{ plugin: "p", outcome: "ok", ms: 1.2 }] }, " plugins=p:ok:1.2"],
    ["a nested object as JSON", { a: { b: [1] } }, ' a={"b":[1]}'],
    ["a process of its own, and not the bridge's", { pid: 7 }, " pid=7"],
    [
      "what matters most first, then what the code gave, in its order",
      { durationMs: 2, error: "e", zeta: 1, alpha: 2, plugin: "p", event: "StartContainer" },
      " event=StartContainer plugin=p error=e durationMs=2 zeta=1 alpha=2",
    ],
  ])("shows %s", (_, fields, expected) => {
    expect(formatTextLine(line(fields), false)).toBe(`${time} INFO  plugin ran${expected}`);
  });

  it("lets no plugin's output break the line or reach the terminal", () => {
    const shown = formatTextLine(line({ line: "\u001b[2Ja\nb\u009b1m\u2028\u202e" }), false);
    expect(shown).toBe(`${time} INFO  plugin ran line="\\u001b[2Ja\\nb\\u009b1m\\u2028\\u202e"`);
  });

  it("is one printable line for whatever fields there are", () => {
    fc.assert(
      fc.property(fc.dictionary(anyText(), fc.jsonValue()), fc.string(), (fields, msg) => {
        expect(formatTextLine(line(fields, "warn", msg), false)).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      }),
    );
  });

  it("has neither time nor level where the journal reads", () => {
    expect(formatTextLine(line({ a: 1 }, "error"), true)).toBe("plugin ran a=1");
  });

  it("passes on what is no line of the log", () => {
    expect(formatTextLine("no JSON", false)).toBe("no JSON");
  });

  it.each([
    ["<3>", '{"level":"error","time":1}'],
    ["<4>", `${time} WARN  plugin failed`],
    ["<6>", "neither"],
  ])("has the severity %s for syslog when the line is %s", (severity, text) => {
    expect(withSeverity(text)).toBe(severity + text);
  });
});
