import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { silentLog } from "../src/base/logger.js";
import { createSpecSource } from "../src/bridge/spec-source.js";
import { createRecordedHost } from "../src/host/host.js";
import { containerTarget } from "../src/v01/to-v01.js";
import { recordedEvents } from "./support/recorded-events.js";

const rules = { pod: [], container: [], crio: false, alias: false };
const bundle = resolve(import.meta.dirname, "../fixtures/cases/basic-hostnet/bundles/ctr.json");
const { pod, container } = recordedEvents("basic-hostnet", "StartContainer");
// An annotation of the event alone tells where a spec comes from.
const mark = "io.kubernetes.cri.of-the-event";
const target = containerTarget(pod, { ...container, annotations: { ...container.annotations, [mark]: "1" } });

function collectLines() {
  const lines: string[] = [];
  const write = (fields: object, sentence: string) => void lines.push(`${sentence} ${JSON.stringify(fields)}`);
  return { lines, log: { ...silentLog, info: write, warn: write } };
}

describe("where a spec comes from", () => {
  it("is the bundle where it is the event's, and the log says so once", () => {
    const { lines, log } = collectLines();
    const specOf = createSpecSource(createRecordedHost([{ path: bundle, bytes: readFileSync(bundle) }]), rules, log);
    expect(specOf(target).annotations).not.toHaveProperty([mark]);
    specOf(target);
    expect(lines).toEqual([
      expect.stringMatching(/^the bridge takes the spec of requests from the OCI bundle .*ctr\.json/),
    ]);
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
      annotations: { [mark]: "1" },
    });
    specOf(target);
    expect(lines).toEqual([
      expect.stringMatching(
        /^the bridge finds no OCI bundle that fits and takes the spec of requests from the event: .*"reasons":\["/,
      ),
    ]);
  });

  it("is the event, without a word, before the container exists", () => {
    const { lines, log } = collectLines();
    const specOf = createSpecSource(createRecordedHost([{ path: bundle, bytes: readFileSync(bundle) }]), rules, log);
    expect(specOf({ ...target, pid: 0 }).annotations).toHaveProperty([mark]);
    expect(lines).toEqual([]);
  });
});
