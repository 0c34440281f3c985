import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { buildProgram } from "../plugin/build-program.js";
import { createDirectory } from "../plugin/plugin-directory.js";

/** Gives the least CPU time, in milliseconds, that it takes to read each of the longest results. */
const program = `
  import { hasTooManyValues, mostResultValues, parseResult } from "./v01/result.js";
  import { parseResultExtensions } from "./v01/result-extensions.js";

  const mib = 1024 * 1024;
  const metadata = (entries) => Buffer.from('{"plugin":"p","metadata":{' + entries + "}}");
  const keys = (count, value) => Array.from({ length: count }, (_, n) => '"k' + n + '":"' + value + '"').join(",");
  const results = {
    "as many values as there may be, of 4 MiB": metadata(keys(mostResultValues - 10, "x".repeat(190))),
    "one value of 4 MiB": metadata(keys(1, "x".repeat(4 * mib - 100))),
    "escapes": metadata(keys(1, "\\\\u0001".repeat((4 * mib - 100) / 6))),
    "quotes that end nothing": metadata(keys(1, '\\\\"'.repeat(2 * mib - 100))),
    "a key that 1.6 passed over": Buffer.from('{"extra":"' + "é".repeat(2 * mib - 100) + '"}'),
    "no JSON": Buffer.from("x".repeat(4 * mib)),
    "more values than there may be": metadata(keys(300_000, "")),
  };
  const least = Object.entries(results).map(([name, stdout]) => {
    const times = Array.from({ length: 6 }, () => {
      const began = process.cpuUsage();
      if (!hasTooManyValues(stdout)) {
        parseResult(stdout);
        parseResultExtensions(stdout);
      }
      return process.cpuUsage(began).user / 1000;
    });
    return [name, stdout.length, Math.min(...times)];
  });
  console.log(JSON.stringify(least));
`;

/** 50 ms, and a busy machine's caches: nothing else is done meanwhile, and a call waits. */
const mostMs = 80;

describe("the longest results that are read", () => {
  it("take a twentieth of the runtime's 2 s at most", () => {
    const { stdout, stderr } = spawnSync(process.execPath, [buildProgram(program, createDirectory())], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    const least: [name: string, bytes: number, ms: number][] = JSON.parse(stdout);
    expect(least.filter(([, bytes]) => bytes > 4 * 1024 * 1024)).toEqual([]);
    expect(least.filter(([, , ms]) => ms > mostMs)).toEqual([]);
    expect(least).toHaveLength(7);
  });
});
