import { type Case, readCases } from "../../support/recorded-cases.js";
import type { Outcome } from "./differences.js";
import { type Mode, reasonsOf } from "./known-exceptions.js";

/** The beginnings of the errors that are NRI's; the others of a scenario are the runtime's own. */
const nriErrors = ["nri invoke: ", "unable to create nri client: "] as const;

/** Which cases are played in which mode. */
const played: Readonly<Record<Mode, (recorded: Case) => boolean>> = {
  "as recorded": () => true,
  "events only": ({ ownEvents }) => ownEvents,
  "2 s": ({ name }) => name.startsWith("sleep3@"),
};

/** What containerd 1.6.20 did with a case. */
export function expectedOutcome({ runs, errors }: Case): Outcome {
  return {
    runs: runs.map(({ plugin, request }) => ({ plugin, request })),
    errors: errors
      .filter(({ details }) => nriErrors.some((beginning) => details.startsWith(beginning)))
      .map(({ method, code, details }) => `${method}: ${code}: ${details}`),
  };
}

/** The cases of a mode. */
export function casesOf(mode: Mode): Case[] {
  return readCases().filter(played[mode]);
}

/** Cases as rows of a table of tests, named by title and source, with the reasons of the exceptions of that mode. */
export function toTable(cases: readonly Case[], mode: Mode): (readonly [string, Case])[] {
  return cases.map((recorded) => [describeCase(recorded, reasonsOf(recorded.name, mode)), recorded]);
}

function describeCase({ name, title, source }: Case, reasons: readonly string[]): string {
  const except = reasons.length === 0 ? "" : ` EXCEPT: ${reasons.join("; ")}`;
  return `${name}: ${title} (requests ${source.expected}; events ${source.events})${except}`;
}
