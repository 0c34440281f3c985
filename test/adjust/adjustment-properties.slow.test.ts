import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Phase } from "../../src/adjust/from-v01.js";
import { createContainerResponse, updateContainerResponse } from "../../src/nri/codec.js";
import { anyText } from "../support/any-text.js";
import { contextOf, knownKeys, otherId, parseAnswer } from "./adjustment-support.js";

const phase: fc.Arbitrary<Phase> = fc.constantFrom("create", "start", "update", "delete");

const key = fc.oneof(
  fc
    .constantFrom(...knownKeys())
    .chain((known) =>
      fc
        .oneof(
          fc.constantFrom("x", "-x", "/x", "-/x", "2MB", "memory.high", "prestart", "RLIMIT_CPU", "a.b/c=d"),
          fc.string(),
        )
        .map((name) => `adjust.${known.replace("update.<name>", `update.${otherId}`).replace("<name>", () => name)}`),
    ),
  fc.string().map((name) => `adjust.${name}`),
  fc.string(),
);

const texts = '"" 0 -1 5000 true 0-3 unlimited:unlimited c:1:2 t,tmpfs ["x"] {"path":"/x"}'.split(" ");
const value = fc.oneof(fc.constantFrom("", ...texts), fc.bigInt().map(String), anyText());

const context = fc
  .record({
    phase,
    cgroupVersion: fc.constantFrom(1 as const, 2 as const, "unknown" as const),
    nriVersion: fc.constantFrom("0.2.0", "0.6.1", "0.8.0", "0.10.0", "0.12.2"),
    annotate: fc.boolean(),
    rename: fc.dictionary(fc.constantFrom("x", "y"), fc.constantFrom("cpu.shares", "annotation.z", "nothing")),
  })
  .map((over) => contextOf(over));

const metadata = fc.dictionary(key, value, { maxKeys: 4, noNullPrototype: true });

describe("a result, as a property", () => {
  it("never throws, and is a change that fits on the wire or one error that names the plugin", () => {
    fc.assert(
      fc.property(metadata, context, (answer, where) => {
        const parsed = parseAnswer({ metadata: answer }, where);
        if (!parsed.ok) {
          expect(parsed.error).toContain('the result of "konfine" cannot be applied: ');
          expect(parsed).not.toHaveProperty("change");
          return;
        }
        const { adjust, updates, fields, settings } = parsed.change;
        createContainerResponse.encode({ ...(adjust === undefined ? {} : { adjust }), update: [...updates] });
        updateContainerResponse.encode({ update: [...updates] });
        expect(new Set(fields).size).toBe(settings.length);
      }),
      { numRuns: 2000 },
    );
  });

  it("takes any JSON as NRI's messages without throwing", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), phase, fc.constantFrom("adjust", "update", "evict"), (json, at, key) => {
        expect(parseAnswer({ text: `"${key}":${json}` }, contextOf({ phase: at }))).toHaveProperty("ok");
      }),
      { numRuns: 1000 },
    );
  });
});
