import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Reporter, TestModule } from "vitest/node";
import { root } from "../deploy/support.js";

const page = join(root, "docs/node.md");
const marks = ["<!-- rows: made by npm run test:node -->", "<!-- end of rows -->"] as const;

/** Writes what the run came to into docs/node.md, a row for each test. One that did not run (`-t`) keeps the row of its last run. */
export default class NodeTable implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const text = readFileSync(page, "utf8");
    const [start, end] = [text.indexOf(marks[0]) + marks[0].length, text.indexOf(marks[1])];
    const before = text.slice(start, end).split("\n");
    const date = new Date().toISOString().slice(0, 10);
    const rows = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => {
        const name = `| ${test.fullName.replace(" > ", ": ")} |`;
        const { duration = 0, retryCount = 0 } = test.diagnostic() ?? {};
        const { state } = test.result();
        if (state !== "passed" && state !== "failed")
          return before.find((row) => row.startsWith(name)) ?? `${name} not run | | |`;
        const holds = state === "failed" ? "**no**" : retryCount > 0 ? "at the second attempt" : "yes";
        return `${name} ${holds} | ${Math.round(duration / 1000)} s | ${date} |`;
      }),
    );
    const versions = modules[0]?.project.getProvidedContext().nodeVersions ?? "";
    const head = ["", versions, "", "| what | holds | time | date |", "| --- | --- | --- | --- |"];
    writeFileSync(page, [text.slice(0, start), ...head, ...rows, text.slice(end)].join("\n"));
  }
}
