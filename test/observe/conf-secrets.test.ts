import { describe, expect, it } from "vitest";
import { LogFunnel } from "../../src/observe/secrets.js";

const secret = "k3pt-f0r-0neself";
const masked = "x".repeat(secret.length);

/** What is logged of a text that a plugin with this conf prints. */
function logged(conf: unknown, text: string, field = "line"): unknown {
  const funnel = new LogFunnel();
  funnel.conceal([{ conf: typeof conf === "string" ? conf : JSON.stringify(conf) }]);
  return new Map(Object.entries(funnel.mask({ [field]: text }))).get(field);
}

describe("what a log line has of a plugin's conf", () => {
  // encoding/json takes 10,000 levels.
  it.each([
    ["objects", '{"a":', "}"],
    ["lists", "[", "]"],
  ])("is masked in ten thousand %s too", (_, open, close) => {
    const depth = 9_998;
    const conf = `${open.repeat(depth)}"${secret}"${close.repeat(depth)}`;
    expect(logged(conf, `it said ${secret} aloud`)).toBe(`it said ${masked} aloud`);
  });

  it.each<[string, object, string, string]>([
    [
      "under a name that says so, however far above",
      { token: { a: [{ b: "plainword" }] } },
      "a plainword b",
      "a xxxxxxxxx b",
    ],
    ["as a part of a value", { dsn: "mysql://u:pa55word@db/x" }, "login u, pa55word", "login u, xxxxxxxx"],
    ["as a number of eight digits", { account: 12_345_678 }, "of 12345678", "of xxxxxxxx"],
    [
      "where a text was cut within it",
      { a: secret },
      "it said k3pt-f0r… (9 bytes cut)",
      "it said xxxxxxxx… (9 bytes cut)",
    ],
    ["in JSON within the line", { a: 'qu"oted-one' }, '{"a":"qu\\"oted-one"}', '{"a":"xxxxxxxxxxxx"}'],
    ["and what looks like a secret is masked whoever prints it", {}, "password=abcdef", "password=xxxxxx"],
    [
      "but not a word or a path",
      { mode: "verbosely", path: "/etc/p.conf" },
      "verbosely /etc/p.conf",
      "verbosely /etc/p.conf",
    ],
  ])("is masked %s", (_, conf, text, expected) => {
    expect(logged(conf, text)).toBe(expected);
  });

  it("is masked in every field but those that have the bridge's own words", () => {
    const funnel = new LogFunnel();
    funnel.conceal([{ conf: JSON.stringify({ a: secret }) }]);
    const fields = {
      error: secret,
      plugins: [{ plugin: "p", outcome: secret, why: secret }],
      about: { note: secret },
      pod: secret,
    };
    expect(funnel.mask(fields)).toEqual({
      ...{ error: masked, plugins: [{ plugin: "p", outcome: secret, why: masked }], about: { note: masked } },
      pod: secret,
    });
  });

  it("is forgotten no sooner than many thousands of others came", () => {
    const funnel = new LogFunnel();
    for (let n = 0; n < 3_000; n++) funnel.conceal([{ conf: JSON.stringify({ a: `s3cret-${n}-end` }) }]);
    expect(funnel.mask({ error: "s3cret-2999-end" })).toEqual({ error: "x".repeat(15) });
  });
});
