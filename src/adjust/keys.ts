import { containerKeys } from "./container-keys.js";
import { checkGate, isSince, tooOld } from "./gates.js";
import type { KeySpec } from "./key-spec.js";
import { bad, type Fault, good, idle, type Parsed, suggest } from "./parsed.js";
import { namedResourceKeys, resourceKeys } from "./resource-keys.js";
import type { AdjustmentContext, Phase } from "./types.js";

/** Metadata keys that begin so ask for a change. */
export const adjustPrefix = "adjust.";

const updatePrefix = "update.";

/** Every key, in the order of the documentation. */
const table: ReadonlyMap<string, KeySpec> = new Map<string, KeySpec>(
  Object.entries({ ...containerKeys, ...resourceKeys, ...namedResourceKeys }),
);

/** The keys as the documentation writes them: `annotation.<key>`, `cpu.shares`, `update.<containerID>.cpu.shares`. */
export function knownKeys(): readonly string[] {
  const keys = [...table].map(([key, { placeholder }]) => (placeholder === undefined ? key : `${key}.${placeholder}`));
  const others = [...table].flatMap(([key, { ofOthers, placeholder }]) =>
    ofOthers ? [`update.<containerID>.${placeholder === undefined ? key : `${key}.${placeholder}`}`] : [],
  );
  return [...keys, ...others];
}

/** An adjust key taken apart. */
export interface ResolvedKey {
  readonly spec: KeySpec;
  /** The key without a removal's `-`: what it sets or removes is the same field. */
  readonly field: string;
  readonly name: string;
  readonly removes: boolean;
  /** The other container that it updates. */
  readonly container?: string;
}

/** Finds what an adjust key, without its prefix, means; else the nearest known one. */
export function resolveKey(key: string): Parsed<ResolvedKey> {
  if (!key.startsWith(updatePrefix)) return resolvePlain(key);
  const [container = "", ...rest] = key.slice(updatePrefix.length).split(".");
  // Ids of containers are hexadecimal in the CRI; none holds a dot.
  if (!/^[\w-]+$/.test(container)) return bad("update.<containerID>.<key>", "fix the key");
  const plain = resolvePlain(rest.join("."));
  if (!plain.ok) return plain;
  if (!plain.value.spec.ofOthers) {
    const keys = [...table].flatMap(([name, { ofOthers }]) => (ofOthers ? [name] : []));
    return bad(`a key that an update of another container can hold: ${keys.join(", ")}`, "leave it out");
  }
  return good({ ...plain.value, container, field: `${updatePrefix}${container}.${plain.value.field}` });
}

function resolvePlain(key: string): Parsed<ResolvedKey> {
  const exact = table.get(key);
  if (exact !== undefined && exact.placeholder === undefined)
    return good({ spec: exact, field: key, name: "", removes: false });
  const dot = key.indexOf(".");
  const family = table.get(key.slice(0, Math.max(dot, 0)));
  if (family?.placeholder === undefined) return unknownKey(key);
  const name = key.slice(dot + 1);
  const removes = family.removal !== undefined && name.startsWith("-");
  const bare = removes ? name.slice(1) : name;
  return good({ spec: family, field: `${key.slice(0, dot)}.${bare}`, name: bare, removes });
}

function unknownKey(key: string): Fault {
  const rest = key.slice(key.indexOf(".") + 1);
  const candidates = [...table].map(([known, { placeholder }]) =>
    placeholder === undefined ? known : `${known}.${rest}`,
  );
  const families = [...new Set([...table].map(([known, spec]) => familyOf(known, spec))), "update."];
  return bad(`a key that begins with one of ${families.join(" ")}`, suggest(key, candidates, "leave it out"));
}

/** How a key begins, as a list of all of them has it: `cpu.`, `annotation.`, `args`. */
function familyOf(key: string, { placeholder }: KeySpec): string {
  return placeholder === undefined ? key.replace(/\..*/, ".") : `${key}.`;
}

/** Says why a key cannot take effect in this phase, runtime or host, with the remedy. */
export function checkEffect({ spec, removes, container }: ResolvedKey, context: AdjustmentContext): Parsed<true> {
  if (container !== undefined) return checkUpdate(container, spec, context);
  const gate = checkGate(spec.gate, context);
  if (!gate.ok || !removes || spec.removal === undefined) return gate;
  if (!spec.removal.effect) return idle(spec.removal.why, spec.removal.remedy);
  const { since } = spec.removal;
  return since === undefined || isSince(context.nri, since) ? gate : tooOld(since, context);
}

/** Updates of other containers ride in the answers to CreateContainer, UpdateContainer and StopContainer. */
function checkUpdate(container: string, { gate }: KeySpec, context: AdjustmentContext): Parsed<true> {
  if (context.phase === "start") {
    return idle(
      "takes effect in phase create, update or delete: the answer to a start holds no updates",
      "set `phase: create` for this plugin",
    );
  }
  if (container === context.containerId) return ownUpdate(context.phase);
  // The fields of an update are those of NRI 0.2; cgroup v2's files need a host that has them all the same.
  return checkGate({ phases: [context.phase], ...(gate.cgroup === undefined ? {} : { cgroup: gate.cgroup }) }, context);
}

/** NRI pkg/adaptation/result.go getContainerUpdate, at every tag: such an update fails the creation. */
function ownUpdate(phase: Phase): Fault {
  if (phase === "delete") return idle("this is the container that stops", "leave it out");
  return phase === "create"
    ? idle("NRI refuses the update of the container that is being created", "use the key without update.<containerID>.")
    : idle("this is the container that is updated itself", "use the key without update.<containerID>.");
}
