import { describe, expect, it } from "vitest";
import { createConfScrubber } from "../../src/secrets/secrets.js";

const secret = "k3pt-f0r-0neself";
const masked = "x".repeat(secret.length);

/** What is logged of a line that a plugin with this conf prints. */
function logged(conf: string, line: string): string {
  return createConfScrubber({ plugins: [{ type: "plugin", conf }] })("plugin", line);
}

describe("what a plugin prints of its conf", () => {
  // encoding/json takes 10,000 levels.
  it.each([
    ["objects", '{"a":', "}"],
    ["lists", "[", "]"],
  ])("is masked in ten thousand %s too", (_, open, close) => {
    const depth = 9_998;
    const conf = `${open.repeat(depth)}"${secret}"${close.repeat(depth)}`;
    expect(logged(conf, `it said ${secret} aloud`)).toBe(`it said ${masked} aloud`);
  });

  it("is masked under a name that says so, however far above the value it stands", () => {
    expect(logged('{"token":{"a":[{"b":"plainword"}]}}', "it said plainword aloud")).toBe("it said xxxxxxxxx aloud");
    expect(logged('{"level":{"a":[{"b":"plainword"}]}}', "it said plainword aloud")).toBe("it said plainword aloud");
  });

  it("is masked as a whole where the conf cannot be looked at: a log line is worth no throw", () => {
    const confs = {
      get plugins(): never {
        throw new RangeError("Maximum call stack size exceeded");
      },
    };
    expect(createConfScrubber(confs)("plugin", `${secret}é`)).toBe(`${masked}xx`);
  });
});
