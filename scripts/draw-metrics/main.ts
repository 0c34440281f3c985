import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { drawPicture } from "./chart.js";
import { panelsOf } from "./panels.js";
import { playRun } from "./run.js";

const { values } = parseArgs({ options: { out: { type: "string", default: "docs/metrics.svg" } } });
const { scrapes, events, failed } = await playRun();
writeFileSync(values.out, drawPicture(panelsOf(scrapes), scrapes));
console.log(
  `${values.out}: ${scrapes.length} scrapes, ${events} events, of which ${failed} were answered with an error`,
);
