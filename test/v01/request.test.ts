import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseConfigList } from "../../src/v01/config-list.js";
import { formatRequestBody, spliceRequest } from "../../src/v01/request.js";
import { formatResult } from "../../src/v01/result.js";
import type { RawJson, Request, Result } from "../../src/v01/types.js";
import { anyText } from "../support/any-text.js";

const text = anyText({ maxLength: 8 });
const texts = fc.dictionary(text, text, { maxKeys: 4 });
const request: fc.Arbitrary<Request> = fc.record({
  version: text,
  state: fc.constantFrom("create", "delete", "update", "postStop"),
  id: text,
  sandboxID: text,
  pid: fc.nat(),
  spec: fc.record({
    resources: fc.constantFrom(null, {}, { memory: {}, cpu: { shares: 2n } }),
    namespaces: texts,
    cgroupsPath: text,
    annotations: texts,
  }),
  labels: texts,
});
const result: fc.Arbitrary<Result> = fc.record({ plugin: text, version: text, error: text, metadata: texts });
const conf = fc
  .option(fc.jsonValue(), { nil: undefined })
  .map((value) => (value === undefined ? undefined : toConf(value)));

function toConf(value: unknown): RawJson | undefined {
  return parseConfigList(Buffer.from(JSON.stringify({ plugins: [{ conf: value }] }))).plugins[0]?.conf;
}

// types/v1/types.go of NRI v0.1.0: the order of the fields, and which of them are omitempty.
describe("a request", () => {
  it("says the same as its object, key by key, whatever the texts hold", () => {
    fc.assert(
      fc.property(request, conf, fc.array(result, { maxLength: 3 }), (it, rawConf, results) => {
        const written = spliceRequest(formatRequestBody(it), rawConf, results.map(formatResult));
        const expected = leaveOutEmpty({
          conf: rawConf === undefined ? undefined : JSON.parse(rawConf),
          version: it.version,
          state: it.state,
          id: it.id,
          sandboxID: it.sandboxID || undefined,
          pid: it.pid || undefined,
          spec: leaveOutEmpty({
            resources: it.spec.resources === null ? null : { ...it.spec.resources },
            namespaces: orUndefined(it.spec.namespaces),
            cgroupsPath: it.spec.cgroupsPath || undefined,
            annotations: orUndefined(it.spec.annotations),
          }),
          labels: orUndefined(it.labels),
          results:
            results.length === 0
              ? undefined
              : results.map(({ metadata, ...rest }) => leaveOutEmpty({ ...rest, metadata: orUndefined(metadata) })),
        });
        const read = JSON.parse(written);
        expect(read).toEqual(
          JSON.parse(JSON.stringify(expected, (_, value) => (typeof value === "bigint" ? Number(value) : value))),
        );
        expect(Object.keys(read)).toEqual(Object.keys(expected));
      }),
    );
  });

  it("has conf before and results after what all plugins of a chain share", () => {
    expect(spliceRequest('"version":"0.1"', undefined, [])).toBe('{"version":"0.1"}');
    expect(spliceRequest('"version":"0.1"', toConf({ a: 1 }), ["{}", "{}"])).toBe(
      '{"conf":{"a":1},"version":"0.1","results":[{},{}]}',
    );
  });

  it("leaves out what is empty, but not resources", () => {
    const bare: Request = {
      version: "0.1",
      state: "delete",
      id: "c",
      sandboxID: "",
      pid: 0,
      spec: { resources: null, namespaces: {}, cgroupsPath: "", annotations: {} },
      labels: {},
    };
    expect(formatRequestBody(bare)).toBe('"version":"0.1","state":"delete","id":"c","spec":{"resources":null}');
  });
});

function leaveOutEmpty(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

function orUndefined(map: Readonly<Record<string, string>>): Readonly<Record<string, string>> | undefined {
  return Object.keys(map).length === 0 ? undefined : map;
}
