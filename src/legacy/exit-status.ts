import { constants } from "node:os";

import type { Exit } from "./supervise.js";

const signalBits = 0x7f;

/** The status that waitpid(2) gives, as Node has it: an exit code or the name of a signal. */
export function parseExitStatus(status: number): Exit {
  const signal = status & signalBits;
  if (signal === 0) return { exitCode: (status >> 8) & 0xff, signal: null };
  const name = signalNames.get(signal);
  // A real-time signal has no name; its end is told as shells tell it.
  return name === undefined ? { exitCode: 128 + signal, signal: null } : { exitCode: null, signal: name };
}

/** Of two names for one number (SIGABRT, SIGIOT) the one that Node puts first. */
const signalNames = new Map(
  Object.entries(constants.signals)
    .flatMap(([name, number]): [number, NodeJS.Signals][] => (isSignal(name) ? [[number, name]] : []))
    .reverse(),
);

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}
