import { type NormalisedRequest, normaliseRequests } from "../../support/normalise.js";

/** What a scenario came to: the plugin runs in their order, and the errors that the caller of the runtime saw. */
export interface Outcome {
  readonly runs: readonly {
    readonly plugin: string;
    /** The bytes that the plugin read; empty when it did not. */
    readonly request: Buffer;
  }[];
  /** `StartContainer: UNKNOWN: nri invoke: ...` */
  readonly errors: readonly string[];
}

/** One sentence for each difference, sorted: runs, their order, each field of each request, errors. None when all is the same. */
export function findDifferences(expected: Outcome, actual: Outcome): string[] {
  const left = keyed(actual);
  const differences: string[] = [];
  for (const [key, run] of keyed(expected)) {
    const other = left.get(key);
    left.delete(key);
    if (other === undefined) differences.push(`${key}: did not run`);
    else differences.push(...compareRequests(run.request, other.request).map((difference) => `${key}: ${difference}`));
  }
  for (const key of left.keys()) differences.push(`${key}: ran and did not under containerd 1.6`);
  const [was, is] = [expected, actual].map((outcome) => [...keyed(outcome).keys()]);
  const shared = (keys: string[] = [], others: string[] = []) => keys.filter((key) => others.includes(key)).join(", ");
  if (shared(was, is) !== shared(is, was)) differences.push(`the order is ${is?.join(", ")}`);
  const unexpected = [...actual.errors];
  for (const error of expected.errors) {
    const at = unexpected.indexOf(error);
    if (at < 0) differences.push(`no error ${error}`);
    else unexpected.splice(at, 1);
  }
  differences.push(...unexpected.map((error) => `error ${error}`));
  return differences.toSorted();
}

/** Runs by plugin, state and role; a second run of the same gets its number. */
function keyed({ runs }: Outcome): Map<string, NormalisedRequest> {
  const map = new Map<string, NormalisedRequest>();
  for (const [index, run] of normaliseRequests(runs.map(({ request }) => request)).entries()) {
    const plugin = runs[index]?.plugin ?? "";
    const base = run.request === "" ? `${plugin} (stdin not read)` : `${plugin} ${run.state} ${run.who}`;
    let key = base;
    for (let count = 2; map.has(key); count++) key = `${base} #${count}`;
    map.set(key, run);
  }
  return map;
}

/** Field by field; by bytes where the fields are the same and their spelling or order is not. */
function compareRequests(expected: string, actual: string): string[] {
  if (expected === actual) return [];
  const [was, is] = [flatten(expected), flatten(actual)];
  const differences: string[] = [];
  for (const path of new Set([...was.keys(), ...is.keys()])) {
    const [before, now] = [was.get(path), is.get(path)];
    if (before !== now) differences.push(`${path} is ${now ?? "absent"} instead of ${before ?? "absent"}`);
  }
  return differences.length > 0 ? differences : [describeBytes(expected, actual)];
}

function describeBytes(expected: string, actual: string): string {
  let at = 0;
  while (at < expected.length && expected[at] === actual[at]) at++;
  return `from byte ${at} it is ${actual.slice(at, at + 80)} instead of ${expected.slice(at, at + 80)}`;
}

/** Every leaf of a JSON text by its path; an empty object or list is a leaf. Numbers keep their spelling. */
function flatten(text: string): Map<string, string> {
  const leaves = new Map<string, string>();
  const visit = (value: unknown, path: string) => {
    const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
    if (entries.length === 0) leaves.set(path, JSON.stringify(value));
    for (const [key, inner] of entries) visit(inner, path === "" ? key : `${path}/${key}`);
  };
  visit(JSON.parse(numbersAsText(text)), "");
  return leaves;
}

/** Numbers, and the roles that stand for pids, as strings: JSON.parse would round the one and refuse the other. */
function numbersAsText(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|<[^>]*>/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
}
