import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { formatHeader } from "../../src/ledger/journal.js";
import { Ledger } from "../../src/ledger/ledger.js";
import { isEventName } from "../../src/nri/events.js";
import { encodeRequest, encodeResponse } from "../../src/nri/ttrpc/envelope.js";
import { ConnId, encodeMuxFrames } from "../../src/nri/wire/mux-frame.js";
import { encodeTtrpcFrame, MessageType } from "../../src/nri/wire/ttrpc-frame.js";
import { container, key as journalKey, sandbox } from "../ledger/support.js";
import { type RecordedCall, recordedCalls } from "../nri/support/recordings.js";

const cases = resolve(import.meta.dirname, "../../fixtures/cases");

/** Some of them, spread over all. */
function some<T>(all: readonly T[], count: number): T[] {
  const step = Math.max(1, Math.floor(all.length / count));
  return all.filter((_, at) => at % step === 0).slice(0, count);
}

/** Files of the recorded cases, short ones first. */
function filesOfCases(pick: (name: string) => boolean, count: number): Uint8Array[] {
  const files = readdirSync(cases, { recursive: true, encoding: "utf8" })
    .filter(pick)
    .map((file): Uint8Array => readFileSync(join(cases, file)))
    .toSorted((a, b) => a.length - b.length);
  return some(files, count);
}

const everyCall = recordedCalls();

/** The calls that bring events, as real runtimes made them. */
export const methods: readonly string[] = [
  ...new Set(everyCall.map(({ method }) => method).filter((method) => isEventName(method) || method === "StateChange")),
];

export function payloadsOf(method: string): Uint8Array[] {
  const ofMethod = everyCall.filter((call) => call.method === method);
  return some(ofMethod, 10).map(({ payload }) => payload);
}

const calls: readonly RecordedCall[] = some(everyCall, 40);

/** Bodies of ttRPC messages. */
export const requestBodies: readonly Uint8Array[] = calls.map(({ method, payload, timeoutNano, metadata }) =>
  encodeRequest({ service: "nri.pkg.api.v1alpha1.Plugin", method, payload, timeoutNano, metadata }),
);
export const responseBodies: readonly Uint8Array[] = [
  encodeResponse({ payload: Buffer.from("10a30c", "hex") }),
  encodeResponse({ payload: Buffer.alloc(0), status: { code: 2, message: "nri v0.1: plugin: konfine: boom" } }),
];

/** What goes over the trunk: recorded calls, and answers to them. */
export const trunks: readonly Uint8Array[] = [
  ...requestBodies.slice(0, 10).map((body, at) => trunkOf(2 * at + 1, MessageType.request, body)),
  ...responseBodies.map((body, at) => trunkOf(2 * at + 1, MessageType.response, body)),
];

function trunkOf(streamId: number, type: number, body: Uint8Array): Uint8Array {
  return Buffer.concat(encodeMuxFrames(ConnId.plugin, encodeTtrpcFrame(streamId, type, body)));
}

export const confs: readonly Uint8Array[] = filesOfCases((file) => /conf[^/]*\.json$/.test(file), 30);
export const requests: readonly Uint8Array[] = filesOfCases((file) => file.endsWith(".request.json"), 20);
export const bundles: readonly Uint8Array[] = filesOfCases((file) => file.includes("bundles/"), 10);
export const caseFiles: readonly Uint8Array[] = filesOfCases((file) => file.endsWith("/case.json"), 10);
export const eventFiles: readonly Uint8Array[] = filesOfCases((file) => file.endsWith("/events.jsonl"), 10);

const results = [
  '{"plugin":"p","version":"0.1","error":"","metadata":{"a":"b","adjust.env.A":"x"}}',
  '{"plugin":"p","version":"0.1","error":"no","metadata":null}',
  '{"PLUGIN":"x","Error":"y","error":"z","cgroupsPath":"/a/b","adjust":{"linux":{"resources":{"cpu":{"shares":{"value":"2"}}}}}}',
  '{"metadata":{"adjust.memory.limit":"1048576","adjust.mount./b":"/a,bind,bind","adjust.annotation.x":"y"}}',
  '{"adjust":{"env":[{"key":"A"}],"mounts":[{"source":"/a","destination":"/b","type":"bind","options":["bind"]}]}}',
  '{"adjust":{"linux":{"ioPriority":{"class":"IOPRIO_CLASS_RT","priority":4},"netDevices":{"-eth0":{}},"rdt":{"schemata":["a"]}}}}',
  '{"update":[{"containerId":"c","linux":{"resources":{"memory":{"limit":-1}}},"ignoreFailure":false}],"evict":[{"containerId":"c"}]}',
];
export const outputs: readonly Uint8Array[] = [
  ...results.map((text) => Buffer.from(text)),
  ...filesOfCases((file) => file.endsWith(".stdout"), 15),
];

export const yamls: readonly Uint8Array[] = [
  "onFailure: {create: ignore}\nplugins:\n  clearcfs:\n    timeoutMs: 500\n",
  "socketPath: /run/x.sock\npluginDirs: [/a, /b]\nstates:\n  - create\n  - delete\nlog: {level: debug}\n",
  "plugins:\n  a: &a {async: true, breaker: {failures: 3, pauseMs: 1000}}\n  b: *a\n  c:\n    <<: *a\n    timeoutMs: 1\n",
  'environment:\n  pass: [A, "B"]\n  set: {C: "d", E: |\n      text\n  }\n# comment\n---\n...\n',
  "limits: {stdoutBytes: 4096, stderrLinesPerRun: 0x10}\nreplyMarginMs: 1e2\nkillAfterMs: .inf\npluginIdx: 05\n",
].map((text) => Buffer.from(text));

/** A journal with everything that can stand in one. */
export const journals: readonly Uint8Array[] = [journalOf(0), journalOf(1), journalOf(12)];

function journalOf(pods: number): Uint8Array {
  let text = formatHeader(journalKey);
  const ledger = new Ledger();
  ledger.attach({
    append(line) {
      text += line;
    },
  });
  for (let n = 0; n < pods; n++) {
    for (const created of [sandbox(`pod${n}`), container(`container${n}`)]) ledger.record(created);
    for (const id of [`container${n}`, `pod${n}`]) ledger.takeDelete(id);
    ledger.endDelete(`container${n}`);
    ledger.forget(`container${n}`);
  }
  return Buffer.from(text);
}
