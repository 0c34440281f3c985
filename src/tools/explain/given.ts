import { BridgeError } from "../../base/errors.js";
import type { PartialConfig } from "../../config/schema.js";
import { type Case, kindOf, readCase, readFile, readIfThere, withConf } from "../replay/case.js";

/** Events to explain, with everything that came before them. */
export interface Given {
  readonly played: Case;
  /** The indexes of the events that are asked about. */
  readonly wanted: ReadonlySet<number>;
  /** What its conf.json is called. */
  readonly confName: string;
  /** What is not known, and what was assumed in its place. */
  readonly unknown: readonly string[];
}

/** A case folder, or `FOLDER:N` for its N-th event. @throws BridgeError USAGE */
export function readGiven(argument: string): Given {
  const [, folder = argument, number] = kindOf(argument) !== undefined ? [] : (/^(.*):(\d+)$/.exec(argument) ?? []);
  const given = givenOf(readCase(folder));
  if (number === undefined) return given;
  const index = Number(number);
  if (given.wanted.has(index)) return { ...given, wanted: new Set([index]) };
  throw new BridgeError("USAGE", `${argument}: there are ${given.wanted.size} events, 1 is the first`);
}

/** All events of a case. */
export function givenOf(played: Case): Given {
  const wanted = new Set(played.events.map(({ index }) => index));
  return { played, wanted, confName: `conf.json of ${played.name}`, unknown: [] };
}

/**
 * A case has a conf.json of its own; everything else runs with the node's, or that of --conf.
 * @throws BridgeError USAGE that names the file
 */
export function withNodeConf(given: Given, flags: PartialConfig, confFile: string): Given {
  if (flags.confFile === undefined && given.played.confs.length > 0) return given;
  const text = flags.confFile === undefined ? readIfThere(confFile) : readFile(confFile);
  return { ...given, played: withConf(given.played, confFile, text), confName: confFile };
}
