import fc from "fast-check";
import { formatHeader, parseJournal } from "../../src/ledger/journal.js";
import { type Created, Ledger, type LedgerEntry } from "../../src/ledger/ledger.js";

export { collectLog } from "../support/collect-log.js";

export const key = { runtime: "containerd", socket: "/run/nri/nri.sock" };

/** What is kept of a container. */
export function container(id: string, more: Partial<Created> = {}): Created {
  return {
    kind: "container",
    id,
    sandboxID: "pod",
    pid: 10,
    spec: {
      resources: { memory: { limit: 9007199254740993n } },
      namespaces: {},
      cgroupsPath: `/k/${id}`,
      annotations: {},
    },
    pod: "default/web",
    container: "web",
    phases: ["start"],
    adopted: false,
    served: true,
    process: { pid: 10, startTime: "100", bootId: "boot-1", pidNamespace: "pid:[1]" },
    ...more,
  };
}

export function sandbox(id: string, more: Partial<Created> = {}): Created {
  const { container: _, ...rest } = container(id, { kind: "sandbox", sandboxID: id, ...more });
  return rest;
}

/** A ledger that takes over what an earlier bridge left. */
export function ledgerOf(...entries: readonly LedgerEntry[]): Ledger {
  const ledger = new Ledger();
  ledger.adopt(entries);
  return ledger;
}

/** What the next bridge would find if the ledger were written now. */
export function entriesOf(ledger: Ledger): readonly LedgerEntry[] {
  return parseJournal(Buffer.from(formatHeader(key) + [...ledger.lines()].join("")), key).entries;
}

/** The same, told in short. */
export function statesOf(entries: readonly LedgerEntry[]): Record<string, string> {
  return Object.fromEntries(entries.map(({ created: { id }, state }) => [id, state]));
}

const text = fc.string({ unit: "grapheme", maxLength: 8 });
const texts = fc.dictionary(text, text, { maxKeys: 3 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const resources = fc.record({ memory: fc.record({ limit: int64, swappiness: uint64 }) });

/** Anything that may be kept. */
export const anyCreated: fc.Arbitrary<Created> = fc
  .record({
    id: text.filter((id) => id !== ""),
    sandboxID: text,
    kind: fc.constantFrom("sandbox", "container"),
    pid: fc.nat(),
    spec: fc.record({
      resources: fc.option(resources),
      namespaces: texts,
      cgroupsPath: text,
      annotations: texts,
    }),
    pod: text,
    phases: fc.constantFrom<Created["phases"]>(["start"], ["create"], ["create", "start"]),
    adopted: fc.boolean(),
    served: fc.boolean(),
    container: fc.option(text, { nil: undefined }),
    refused: fc.boolean(),
    process: fc.option(
      fc.record({
        startTime: fc.option(fc.constantFrom("1", "123456789012345678"), { nil: undefined }),
        bootId: fc.constant("boot"),
        pidNamespace: fc.constant("pid:[1]"),
      }),
      { nil: undefined },
    ),
  })
  .map(({ container, process, refused, ...rest }) => ({
    ...rest,
    ...(refused ? { refused: true as const } : {}),
    ...(container === undefined ? {} : { container }),
    ...(process === undefined ? {} : { process: { pid: rest.pid, ...process } }),
  }));
