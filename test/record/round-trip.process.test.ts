import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../src/nri/events.js";
import { readCase } from "../../src/tools/replay/case.js";
import { recordedEvents } from "../support/recorded-events.js";
import { filesIn, fixture, recordLive, replayFolder, requestsOf, samplePlugins } from "./live.js";

function only<T>(values: readonly T[]): T {
  const [value, ...more] = values;
  if (value === undefined || more.length > 0) throw new Error(`one is expected, not ${values.length}`);
  return value;
}

const played = fixture("basic-hostnet");

function aboutCase(folder: string) {
  return JSON.parse(readFileSync(join(folder, "case.json"), "utf8"));
}

describe("a bridge that records", () => {
  it.each(["basic-hostnet", "basic-podnet", "conf-changes-live", "malformed", "missing-conf", "keys-case", "bom"])(
    "%s: a replay of the case sends plugins the same requests, and the runtime the same answers",
    async (name) => {
      const played = fixture(name);
      const live = await recordLive({ played, pluginDirs: [samplePlugins] });
      const { folder, complete, fault } = only(live.cases);
      expect({ complete, fault }).toEqual({ complete: true, fault: null });
      const replayed = await replayFolder(folder);
      expect(requestsOf(replayed)).toEqual(live.runs.map(({ run }) => run.request));
      const answers = replayed.filter(({ type }) => type === "answer");
      const recordedErrors = live.answers.flatMap(({ error }, at) => {
        const { method = "", payload = new Uint8Array() } = played.events[at] ?? {};
        const event = decodeEvent(method, payload);
        return answers.some((answer) => answer.event === event?.name) ? [error ?? null] : [];
      });
      expect(answers.map(({ error }) => error)).toEqual(recordedErrors);
    },
  );

  it("writes the calls byte for byte, the bundles, and what each plugin was sent and answered", async () => {
    const live = await recordLive({ played, pluginDirs: [samplePlugins] });
    const { folder, pod } = only(live.cases);
    // It is nothing for others on the node.
    for (const file of filesIn(live.out).keys()) expect(statSync(join(live.out, file)).mode & 0o077).toBe(0);
    expect(statSync(live.out).mode & 0o077).toBe(0);
    expect(pod).toBe("default/pod1");
    const recorded = readCase(folder);
    expect(recorded.events.map(({ payload }) => Buffer.from(payload))).toEqual(
      played.events.map(({ payload }) => Buffer.from(payload)),
    );
    expect(recorded.events.map(({ method, metadata }) => ({ method, metadata }))).toEqual(
      played.events.map(({ method, metadata }) => ({ method, metadata })),
    );
    // In the bundles that the bridge read; the recorder of that scenario is a sample plugin here.
    expect(recorded.bundles.map(({ bytes }) => Buffer.from(bytes))).toEqual(
      expect.arrayContaining(played.bundles.map(({ bytes }) => Buffer.from(bytes))),
    );
    const files = filesIn(folder);
    const { invocations, runtime } = aboutCase(folder);
    expect(runtime).toEqual({ name: "containerd", version: "v1.7.24", nri: "0.6.1", dialect: "state-change" });
    expect(invocations).toHaveLength(live.runs.length);
    for (const [at, { request }] of invocations.entries()) {
      expect(files.get(`expected/runs/${request}`)?.toString()).toBe(live.runs[at]?.run.request);
    }
    const lines = files.get("expected/lines.jsonl")?.toString().trimEnd().split("\n") ?? [];
    const types = lines
      .map((line) => JSON.parse(line))
      .map(({ type, event, durationMs }) => {
        expect(durationMs).toBeGreaterThanOrEqual(0);
        return `${type} ${event}`;
      });
    expect(types.slice(0, 2)).toEqual(["run RunPodSandbox", "answer RunPodSandbox"]);
  });
});

describe("an observer", () => {
  it("answers every event with nothing, and its case replays", async () => {
    const live = await recordLive({ played });
    expect(live.answers.every(({ error, payload }) => error === undefined && payload?.length === 0)).toBe(true);
    const { folder, events } = only(live.cases);
    expect(events).toBe(played.events.length);
    expect(aboutCase(folder)).toMatchObject({ invocations: [], redacted: false, complete: true });
    const bridge = await recordLive({ played, pluginDirs: [samplePlugins] });
    expect(requestsOf(await replayFolder(folder))).toEqual(bridge.runs.map(({ run }) => run.request));
  });

  it("begins the case of a pod that was there before with what the runtime said of it, so that its delete replays", async () => {
    const events = played.events.map(({ method, payload }) => decodeEvent(method, payload));
    const { pod, container } = recordedEvents("basic-hostnet", "StartContainer");
    const rest = played.events.filter((_, at) => /^(Stop|Remove)/.test(events[at]?.name ?? ""));
    const conf = played.confs[0]?.text;
    const confs = rest[0] === undefined ? [] : [{ fromEvent: rest[0].index, file: "conf.json", text: conf }];
    const snapshot = { pods: [pod], containers: [container] };
    const live = await recordLive({
      played: { ...played, confs },
      events: rest,
      snapshot,
      pluginDirs: [samplePlugins],
    });
    const { folder } = only(live.cases);
    expect(readCase(folder).events[0]?.method).toBe("Synchronize");
    expect(live.runs.map(({ run }) => run.state)).toEqual(["delete", "delete"]);
    expect(requestsOf(await replayFolder(folder))).toEqual(live.runs.map(({ run }) => run.request));
  });

  it("records so many pods and no more, and says when the last one is done", async () => {
    const other = fixture("basic-podnet");
    const { cases, recorder } = await recordLive({
      played,
      events: [...played.events, ...other.events],
      recorder: { pods: 1 },
    });
    expect(cases).toHaveLength(1);
    await recorder.done;
  });

  it("records the pods that are wanted", async () => {
    const { cases } = await recordLive({ played, recorder: { pod: ["other/*"] } });
    expect(cases).toEqual([]);
  });

  it("stops at so many bytes, and says so", async () => {
    const bytes = 20_000;
    const { cases, out } = await recordLive({
      played,
      recorder: { pods: 1, bytes },
    });
    const { folder, fault } = only(cases);
    expect(fault).toContain("its limit of 20000 bytes");
    const written = [...filesIn(out)].filter(([name]) => !name.endsWith("case.json"));
    expect(written.reduce((sum, [, content]) => sum + content.length, 0)).toBeLessThanOrEqual(bytes);
    // What there is of it still plays.
    await replayFolder(folder);
  });

  it("costs no event when nothing can be written", async () => {
    const live = await recordLive({ played, recorder: { out: "/dev/null/cases" } });
    expect(live.answers.every(({ error }) => error === undefined)).toBe(true);
    await live.recorder.done;
  });

  it("leaves an earlier recording of the same pod alone", async () => {
    const first = await recordLive({ played });
    const again = await recordLive({ played, recorder: { out: first.out } });
    expect(only(again.cases).folder).toBe(`${only(first.cases).folder}-2`);
    expect(readCase(only(first.cases).folder).events).toHaveLength(played.events.length);
  });
});
