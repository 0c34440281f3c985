import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bench } from "./support.js";

let bench: Bench;

beforeAll(() => {
  bench = new Bench();
});

afterAll(() => bench.remove());

describe("pin, the sample that asks by metadata", () => {
  const play = (conf: unknown, config: string) => bench.play({ plugins: [{ type: "pin", conf }], config });

  it.each([{ cpus: "0-3,8" }, { mems: "1", cpus: "2" }])("%j pins the container when it is created", async (cpu) => {
    const played = await play(cpu, "plugins: {pin: {phase: create}}");
    const response = { adjust: { linux: { resources: { cpu } } } };
    expect(played.answer("CreateContainer")).toEqual({ response, error: null });
    expect(played.lines.filter(({ type, outcome }) => type === "run" && outcome !== "ok")).toEqual([]);
  });

  it("runs in phase start as well, and asks nothing for sandboxes and deletes", async () => {
    const played = await play({ cpus: "0" }, "{}");
    for (const event of ["RunPodSandbox", "StartContainer", "StopContainer", "StopPodSandbox"]) {
      expect(played.answer(event)).toEqual({ response: {}, error: null });
    }
    expect(played.warnings()).toEqual([]);
  });

  it.each([undefined, {}, { cpus: 3 }, { CPUs: "1" }])("says what is missing in the conf %j", async (conf) => {
    const { error } = (await play(conf, "plugins: {pin: {phase: create}}")).answer("CreateContainer");
    expect(error).toContain('plugin: pin: the conf of pin names no CPUs: "cpus": "0-3"');
  });

  it("hands on what is no list of CPUs for nobody to take", async () => {
    const { error } = (await play({ cpus: "0-" }, "plugins: {pin: {phase: create}}")).answer("CreateContainer");
    expect(error).toContain('adjust.cpu.cpus "0-"');
  });
});
