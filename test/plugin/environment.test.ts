import { describe, expect, it } from "vitest";

import { createEnvironment, type EnvironmentOptions, searchPath } from "../../src/plugin/environment.js";

const options: EnvironmentOptions = {
  base: {
    PATH: "/usr/bin:/bin",
    HOME: "/root",
    LANG: "C",
    UNSET: undefined,
    NRI_PLUGIN_NAME: "x",
    NRI_PLUGIN_IDX: "10",
  },
  pluginDirs: ["/opt/nri/bin"],
  pass: "all",
  set: {},
};
const PATH = "/usr/bin:/bin:/opt/nri/bin";

describe("createEnvironment", () => {
  it.each([
    ["passes all but what is NRI v2's own", {}, { PATH, HOME: "/root", LANG: "C" }],
    [
      "passes the names of a list, and PATH always",
      { pass: ["LANG", "NRI_PLUGIN_NAME", "MISSING"] },
      { PATH, LANG: "C" },
    ],
    [
      "sets what it is told, over what is passed",
      { pass: ["LANG"], set: { LANG: "de", X: "1" } },
      { PATH, LANG: "de", X: "1" },
    ],
    ["has nothing but PATH of an empty environment", { base: {} }, { PATH: searchPath(undefined, ["/opt/nri/bin"]) }],
  ])("%s", (_, changed, expected) => {
    expect(createEnvironment({ ...options, ...changed })).toEqual(expected);
  });
});

describe("searchPath", () => {
  const sane = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  it.each([
    [undefined, ["/opt/nri/bin"], `${sane}:/opt/nri/bin`],
    ["/bin", ["/a", "/b"], "/bin:/a:/b"],
    ["/a:/bin", ["/a"], "/a:/bin"],
  ])("of %j and %j", (path, directories, expected) => expect(searchPath(path, directories)).toBe(expected));
});
