import { describe, expect, it } from "vitest";
import { parseBundle } from "../../src/v01/bundle.js";
import { parseConfigList } from "../../src/v01/config-list.js";
import { formatRequestBody, spliceRequest } from "../../src/v01/request.js";
import { formatChainError, formatPluginError, formatResult, parseResult } from "../../src/v01/result.js";
import { type Case, type Run, readCases } from "../support/recorded-cases.js";
import { readRequest } from "./read-request.js";

// Every expectation here is what containerd 1.6.20 did: see fixtures/README.md.
const cases = readCases();
const runs = cases.flatMap((scenario) => scenario.runs).filter((run) => run.request.length > 0);

describe("every recorded request", () => {
  it.each(runs.map((run) => ({ run, name: `${run.caseName}/${run.file}` })))("$name", ({ run }) => {
    const text = run.request.toString();
    const { request, results, conf } = readRequest(text);
    const rawConf = conf === undefined ? undefined : confsOf(run).find((known) => known === conf);
    expect(rawConf).toBe(conf);
    expect(spliceRequest(formatRequestBody(request), rawConf, results.map(formatResult))).toBe(text);
  });

  function confsOf({ caseName, plugin }: Run) {
    const confs = cases.find((scenario) => scenario.name === caseName)?.confs ?? [];
    const entries = confs.flatMap((bytes) => parseConfigList(bytes).plugins);
    return entries.filter((entry) => entry.type === plugin).map((entry) => entry.conf);
  }
});

describe("the results that a later plugin of a chain got", () => {
  const chained = runs.filter((run) => readRequest(run.request.toString()).results.length > 0);

  it.each(chained.map((run) => ({ run, name: `${run.caseName}/${run.file}` })))("$name", ({ run }) => {
    const all = cases.find((scenario) => scenario.name === run.caseName)?.runs ?? [];
    const index = all.indexOf(run);
    const { results } = readRequest(run.request.toString());
    const answered = all.slice(index - results.length, index).map((earlier) => {
      const parsed = parseResult(earlier.stdout);
      return parsed.ok ? formatResult(parsed.result) : parsed.reason;
    });
    expect(run.request.toString()).toContain(`,"results":[${answered.join(",")}]}`);
  });
});

describe("the spec of a create request, formatted from the bundle of that run", () => {
  const bundles = cases.flatMap((scenario) => scenario.bundles.map((bundle) => ({ scenario, ...bundle })));

  it.each(bundles.map((bundle) => ({ ...bundle, name: `${bundle.scenario.name}/${bundle.role}` })))(
    "$name",
    (bundle) => {
      const spec = parseBundle(bundle.bytes);
      const matching = bundle.scenario.runs.filter(
        (run) => run.state === "create" && run.request.includes(`"cgroupsPath":"${spec.cgroupsPath}"`),
      );
      expect(matching.length).toBeGreaterThan(0);
      for (const run of matching) {
        const { request } = readRequest(run.request.toString());
        expect(run.request.toString()).toContain(formatRequestBody({ ...request, spec }));
      }
    },
  );
});

describe("the error of a plugin's output", () => {
  const failed = cases.flatMap((scenario) =>
    scenario.errors
      .filter(({ details }) => details.includes("failed to unmarshal plugin output"))
      .map((error) => ({ scenario, error })),
  );

  it("was recorded often enough", () => expect(failed.length).toBeGreaterThanOrEqual(9));

  it.each(failed.map((entry) => ({ ...entry, name: entry.scenario.name })))("$name", ({ scenario, error }) => {
    const [, plugin = ""] = /plugin: (\w+): /.exec(error.details) ?? [];
    const parsed = parseResult(stdoutOf(scenario, plugin, error.method));
    const exitCode = Number(/plugin exits (\d+)/.exec(scenario.title)?.[1] ?? 0);
    const reason = parsed.ok ? "" : parsed.reason;
    const failure = formatPluginError(reason, stdoutOf(scenario, plugin, error.method), exitCode);
    expect(`nri invoke: ${formatChainError(plugin, failure)}`).toBe(error.details);
  });

  function stdoutOf(scenario: Case, plugin: string, method: string): Buffer {
    const who = method === "RunPodSandbox" ? "sandbox" : "container";
    const run = scenario.runs.find((each) => each.plugin === plugin && each.who === who && each.state === "create");
    return run?.stdout ?? Buffer.alloc(0); // `true` as a plugin prints nothing and records nothing
  }
});

describe("the error that a result holds", () => {
  const failed = cases.flatMap((scenario) =>
    scenario.errors.filter(({ details }) => details.includes("boom")).map((error) => ({ scenario, error })),
  );

  it.each(failed.map((entry) => ({ ...entry, name: entry.scenario.name })))("$name", ({ scenario, error }) => {
    const texts = scenario.runs.flatMap((run) => {
      const parsed = parseResult(run.stdout);
      return parsed.ok && parsed.result.error !== "" ? [formatChainError(run.plugin, parsed.result.error)] : [];
    });
    expect(texts.map((text) => `nri invoke: ${text}`)).toContain(error.details);
  });
});
