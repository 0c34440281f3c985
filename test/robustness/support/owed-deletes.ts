import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readJournalsIn } from "../../e2e/testbed/bridge-state.js";
import { children, until } from "../../plugin/processes.js";
import type { RunningProgram } from "../../support/program.js";
import { nthPod } from "./subjects.js";
import { TestNode, type TestNodeOptions } from "./test-node.js";

/** A node whose plugin notes each delete when it is done, and waits with it where a test says so. */
export function createNode(options: TestNodeOptions = {}) {
  const node = new TestNode(options);
  const note = join(node.folder, "deleted");
  node.installScript(
    "plugin",
    `#!/bin/sh
read -r request; state=\${request#*'"state":"'}; state=\${state%%'"'*}; id=\${request#*'"id":"'}; id=\${id%%'"'*}
[ "$state" = delete ] && {
  for gate in "${node.folder}/all.gate" "${node.folder}/$id.gate"; do [ -p "$gate" ] && read -r _ <"$gate"; done
  echo "$id" >>'${note}'
}
echo '{"version":"0.1","error":""}'
`,
  );
  node.writeConf("plugin");
  return {
    node,
    /** Has the delete of an id wait, or that of any. */
    hold: (id = "all") => node.makeGate(`${id}.gate`),
    /** Waits until a bridge has so many plugins running. */
    run: ({ child: { pid = 0 } }: RunningProgram, count: number) => until(() => children(pid).length === count),
    delivered: () => (existsSync(note) ? readFileSync(note, "utf8").trim().split("\n") : []),
    journal: () => readJournalsIn(join(node.folder, "state")).map(({ remembered: { id }, stage }) => ({ id, stage })),
  };
}

export const idsOf = (pods: readonly { readonly id: string }[]) => pods.map(({ id }) => id).toSorted();
export const podsTo = (last: number) => Array.from({ length: last }, (_, n) => nthPod(n + 1));
