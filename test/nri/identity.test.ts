import { describe, expect, test } from "vitest";
import { type IdentitySources, launchedSocket, resolveIdentity } from "../../src/nri/identity.js";

const launched = { NRI_PLUGIN_NAME: "from-env", NRI_PLUGIN_IDX: "20" };

function identify(sources: Partial<IdentitySources>): string {
  const { name, index } = resolveIdentity({ environment: {}, fileName: "nri-v01-bridge", ...sources });
  return `${index}-${name}`;
}

describe("the plugin's identity", () => {
  test.each([
    ["the options before all else", { name: "a", index: "01", environment: launched, fileName: "30-file" }, "01-a"],
    ["then the environment", { environment: launched, fileName: "30-file" }, "20-from-env"],
    ["then its own file name", { fileName: "30-file" }, "30-file"],
    ["each of the two on its own", { name: "a", environment: { NRI_PLUGIN_IDX: "20" }, fileName: "30-file" }, "20-a"],
    ["an empty variable is none", { environment: { NRI_PLUGIN_NAME: "" }, fileName: "30-x" }, "30-x"],
    ["a name may have dashes and digits", { fileName: "10-my_plugin-2.0+x" }, "10-my_plugin-2.0+x"],
  ])("%s", (_title, sources, expected) => {
    expect(identify(sources)).toBe(expected);
  });

  test.each([
    ["no name", { index: "10" }, /the bridge has no NRI plugin name: give one .*NN-name/],
    ["no index", { name: "a" }, /the bridge has no NRI plugin index: give one \(two digits, such as 10\)/],
    ["an index of one digit", { name: "a", index: "5" }, /index "5" from the option .* two digits/],
    ["an index with a line end", { name: "a", index: "10\n" }, /index "10\\n"/],
    ["a name with a slash", { name: "a/b", index: "10" }, /name "a\/b" from the option .* letters, digits/],
    ["a name with a space in the file name", { fileName: "10-a b" }, /name "a b" from the file name "10-a b"/],
    ["a wrong option, not passed over,", { name: "ä", index: "10", environment: launched }, /name "ä" from the option/],
  ])("%s is an error that says where it comes from", (_title, sources, message) => {
    const error = { code: "USAGE", message: expect.stringMatching(message) };
    expect(() => identify(sources)).toThrow(expect.objectContaining(error));
  });
});

describe("the socket of a plugin that the runtime launched", () => {
  test.each([
    [undefined, undefined],
    ["", undefined],
    ["3", 3],
    ["17", 17],
  ])("NRI_PLUGIN_SOCKET %j is %j", (text, expected) => {
    expect(launchedSocket({ NRI_PLUGIN_SOCKET: text })).toBe(expected);
  });
  test.each(["x", "-1", "3x", "1", "0x3", "3.0", "/run/nri.sock"])("NRI_PLUGIN_SOCKET %j is an error", (text) => {
    expect(() => launchedSocket({ NRI_PLUGIN_SOCKET: text })).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});
