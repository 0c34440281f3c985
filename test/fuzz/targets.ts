import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAdjustment } from "../../src/adjust/from-v01.js";
import { BridgeError, type ErrorCode } from "../../src/base/errors.js";
import { parseConfig } from "../../src/config/parse.js";
import { parseJournal } from "../../src/ledger/journal.js";
import { decodeEvent } from "../../src/nri/events.js";
import { messageToJson } from "../../src/nri/json.js";
import { decodeRequest, decodeResponse } from "../../src/nri/ttrpc/envelope.js";
import { type Frame, FrameDecoder, type FrameHeader } from "../../src/nri/wire/frame-decoder.js";
import { Mux } from "../../src/nri/wire/mux.js";
import { ConnId, muxLayout } from "../../src/nri/wire/mux-frame.js";
import { ttrpcLayout } from "../../src/nri/wire/ttrpc-frame.js";
import { formatTextLine } from "../../src/observe/log-text.js";
import { traceOf } from "../../src/observe/trace.js";
import { readCase } from "../../src/tools/replay/case.js";
import { parseBundle } from "../../src/v01/bundle.js";
import { parseConfigList } from "../../src/v01/config-list.js";
import { formatRequestBody, spliceRequest } from "../../src/v01/request.js";
import { formatPluginError, formatResult, parseResult } from "../../src/v01/result.js";
import { parseResultExtensions } from "../../src/v01/result-extensions.js";
import { containerTarget, podTarget, toCreateRequest, toSpec } from "../../src/v01/to-v01.js";
import { key as journalKey } from "../ledger/support.js";
import { MemoryTrunk } from "../nri/support/memory.js";
import * as examples from "./examples.js";

/** Something that reads bytes which others wrote. */
export interface Target {
  readonly title: string;
  readonly examples: readonly Uint8Array[];
  /** Reads them; throws nothing but BridgeErrors of these codes. */
  readonly read: (bytes: Uint8Array) => void;
  readonly codes: readonly ErrorCode[];
}

const adjustment = {
  plugin: "p",
  nri: { major: 0, minor: 12, patch: 0, preRelease: false, source: "stated" },
  cgroupVersion: 2,
  containerId: "c1",
  rename: { a: "env.A" },
  annotate: true,
} as const;

const rules = { pod: ["*"], container: ["*"], crio: false, alias: true } as const;

export const targets: readonly Target[] = [
  {
    title: "frames of the mux and of ttRPC, cut anywhere",
    examples: examples.trunks,
    codes: [],
    read(bytes) {
      for (const layout of [muxLayout, ttrpcLayout]) {
        const decoder = new FrameDecoder<FrameHeader>(layout);
        const cut = Array.from(bytes, (_, at) => decoder.push(bytes.subarray(at, at + 1))).flat();
        const whole = new FrameDecoder<FrameHeader>(layout).push(bytes);
        if (cut.map(describeFrame).join() !== whole.map(describeFrame).join())
          throw new Error("a cut changes the frames");
      }
    },
  },
  {
    title: "a trunk of the mux",
    examples: examples.trunks,
    codes: [],
    read(bytes) {
      const trunk = new MemoryTrunk();
      const mux = new Mux(trunk);
      mux.open(ConnId.plugin).onData(() => {});
      mux.open(ConnId.runtime).onData(() => {});
      for (let at = 0; at < bytes.length; at += 7) trunk.receive(bytes.slice(at, at + 7));
    },
  },
  {
    title: "requests of ttRPC, with their metadata",
    examples: examples.requestBodies,
    codes: ["PROTOCOL"],
    read: (bytes) => void traceOf(decodeRequest(bytes).metadata),
  },
  {
    title: "responses of ttRPC",
    examples: examples.responseBodies,
    codes: ["PROTOCOL"],
    read: (bytes) => void decodeResponse(bytes),
  },
  ...examples.methods.map(
    (method): Target => ({
      title: `the payload of ${method}, and the v0.1 request that it becomes`,
      examples: examples.payloadsOf(method),
      codes: ["PROTOCOL"],
      read(bytes) {
        const event = decodeEvent(method, bytes);
        if (event === undefined) return;
        const subject = "container" in event ? containerTarget(event.pod, event.container) : podTarget(event.pod);
        const request = toCreateRequest("0.1", "create", subject, toSpec(subject, undefined, rules));
        JSON.parse(spliceRequest(formatRequestBody(request), undefined, []));
        JSON.stringify(messageToJson("PodSandbox", event.pod));
      },
    }),
  ),
  {
    title: "conf.json",
    examples: examples.confs,
    codes: ["CONF_LIST"],
    read: (bytes) => {
      for (const { conf } of parseConfigList(bytes).plugins) if (conf !== undefined) JSON.parse(conf);
    },
  },
  {
    title: "a plugin's output, and what it asks for",
    examples: examples.outputs,
    codes: [],
    read(bytes) {
      const parsed = parseResult(bytes);
      if (!parsed.ok) {
        formatPluginError(parsed.reason, bytes, 1);
        return;
      }
      JSON.parse(formatResult(parsed.result));
      const extensions = parseResultExtensions(bytes);
      for (const phase of ["create", "start", "update", "delete"] as const) {
        parseAdjustment(parsed.result, extensions, { ...adjustment, phase });
      }
    },
  },
  {
    title: "the config.json of a bundle",
    examples: examples.bundles,
    codes: ["JSON_SYNTAX", "JSON_TYPE"],
    read: (bytes) => void parseBundle(bytes),
  },
  {
    title: "the bridge's own configuration",
    examples: examples.yamls,
    codes: ["CONFIG"],
    read: (bytes) => void parseConfig(Buffer.from(bytes).toString("utf8"), "bridge.yaml"),
  },
  {
    title: "the events of a case",
    examples: examples.eventFiles,
    codes: ["USAGE"],
    read: (bytes) => inCase({ "events.jsonl": bytes }),
  },
  {
    title: "the description of a case",
    examples: examples.caseFiles,
    codes: ["USAGE"],
    read: (bytes) => inCase({ "case.json": bytes, "events.jsonl": new Uint8Array() }),
  },
  {
    title: "the journal",
    examples: examples.journals,
    codes: ["STATE"],
    read: (bytes) => void parseJournal(bytes, journalKey),
  },
  {
    title: "a line of the log as text",
    examples: examples.requests,
    codes: [],
    read(bytes) {
      const line = formatTextLine(Buffer.from(bytes).toString("utf8"), false);
      if (bytes[0] === 0x7b) JSON.stringify(line);
    },
  },
];

/** Reads a case that has these files. */
function inCase(files: Readonly<Record<string, Uint8Array>>): void {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "nri-fuzz-"));
  try {
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    readCase(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function describeFrame(frame: Frame<FrameHeader>): string {
  const payload = frame.kind === "whole" ? Buffer.from(frame.payload).toString("hex") : "";
  return `${frame.kind} ${JSON.stringify(frame.header)} ${payload}`;
}

/** What is wrong with an error that reading threw; undefined when it is one of the target's own. */
export function faultOf(thrown: unknown, { codes }: Target): string | undefined {
  if (thrown instanceof BridgeError && codes.includes(thrown.code)) return undefined;
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
