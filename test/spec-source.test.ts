import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { silentLog } from "../src/base/logger.js";
import { createSpecSource } from "../src/bridge/spec-source.js";
import { createRecordedHost } from "../src/host/host.js";
import { containerTarget } from "../src/v01/to-v01.js";
import { recordedEvents } from "./support/recorded-events.js";

const rules = { oci: [], podToContainer: false, crio: false, alias: false };
const bundle = resolve(import.meta.dirname, "../fixtures/cases/basic-hostnet/bundles/ctr.json");
const { pod, container } = recordedEvents("basic-hostnet", "StartContainer");
const target = containerTarget(pod, container);

function collectLines() {
  const lines: string[] = [];
  const write = (fields: object, sentence: string) => void lines.push(`${sentence} ${JSON.stringify(fields)}`);
  return { lines, log: { ...silentLog, info: write, warn: write } };
}

describe("where a spec comes from", () => {
  it("is the bundle where it is the event's, and the log says so once", () => {
    const { lines, log } = collectLines();
    const specOf = createSpecSource(createRecordedHost([{ path: bundle, bytes: readFileSync(bundle) }]), rules, log);
    // The kubelet's own annotations are in the event and not in the bundle.
    expect(specOf(target).annotations).not.toHaveProperty("example.com/ctr-note");
    specOf(target);
    expect(lines).toEqual([expect.stringMatching(/^specs come from the OCI bundle .*ctr\.json/)]);
  });

  it.each([
    ["there is none", []],
    ["it is another container's", [{ path: "other", bytes: Buffer.from('{"linux":{"cgroupsPath":"/other"}}') }]],
    ["it is no JSON", [{ path: "broken", bytes: Buffer.from('{"linux":') }]],
  ])("is the event where %s, and the log says once why", (_, bundles) => {
    const { lines, log } = collectLines();
    const specOf = createSpecSource(createRecordedHost(bundles), rules, log);
    expect(specOf(target)).toMatchObject({
      cgroupsPath: container.linux?.cgroupsPath,
      annotations: { "example.com/ctr-note": "world" },
    });
    specOf(target);
    expect(lines).toEqual([expect.stringMatching(/^specs come from the event: .*"reasons":\["/)]);
  });

  it("is the event, without a word, before the container exists", () => {
    const { lines, log } = collectLines();
    const specOf = createSpecSource(createRecordedHost([{ path: bundle, bytes: readFileSync(bundle) }]), rules, log);
    expect(specOf({ ...target, pid: 0 }).annotations).toHaveProperty("example.com/ctr-note");
    expect(lines).toEqual([]);
  });
});
