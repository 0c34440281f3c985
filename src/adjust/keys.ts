import type { Asks, Place } from "./asks.js";
import { byKey, type Field } from "./fields.js";
import { bad, type Fault, good, type Parsed, suggest } from "./parsed.js";
import { readElement, readEntry, readField } from "./reader.js";
import { string } from "./text-forms.js";
import { Value } from "./value.js";

/** Metadata keys that begin so ask for a change. */
export const adjustPrefix = "adjust.";

const updatePrefix = "update.";

/** Reads the value of an adjust key, without its prefix, as the field that it stands for. */
export function readKey(key: string, place: Place & { readonly text: string }, asks: Asks): void {
  const { text } = place;
  const resolved = resolveKey(key);
  if (!resolved.ok) {
    new Value({ kind: "string", text }, place, asks).fault(resolved);
    return;
  }
  const { field, name, container } = resolved.value;
  const { rule } = field;
  const at = container === undefined ? place : { ...place, container };
  const tree = (rule.metadata ?? string)(name, text);
  const value = new Value(tree.ok ? tree.value : { kind: "string", text }, at, asks);
  if (rule.placeholder === undefined && tree.ok) readField(field, value);
  // What has no effect is not looked at, so that nothing fails in a delete.
  else if (!asks.takesEffect(field, value)) return;
  else if (rule.removal !== undefined && name.startsWith("-") && text !== "")
    value.fault(asks.removalFault(rule, text));
  else if (!tree.ok) value.fault(tree);
  else if (field.shape === "map") readEntry(field, name, value);
  else readElement(field, value);
}

/** An adjust key taken apart. */
interface ResolvedKey {
  readonly field: Field;
  /** What came after the key and a dot, with a removal's `-`. */
  readonly name: string;
  /** The other container that it updates. */
  readonly container?: string;
}

/** Finds what an adjust key means; else the nearest known one. */
function resolveKey(key: string): Parsed<ResolvedKey> {
  if (!key.startsWith(updatePrefix)) return resolvePlain(key);
  const [container = "", ...rest] = key.slice(updatePrefix.length).split(".");
  // Ids of containers are hexadecimal in the CRI; none holds a dot.
  if (!/^[\w-]+$/.test(container)) return bad("update.<containerID>.<key>", "fix the key");
  const plain = resolvePlain(rest.join("."));
  return plain.ok ? good({ ...plain.value, container }) : plain;
}

function resolvePlain(key: string): Parsed<ResolvedKey> {
  const exact = byKey.get(key);
  if (exact !== undefined && exact.rule.placeholder === undefined) return good({ field: exact, name: "" });
  const dot = key.indexOf(".");
  const family = byKey.get(key.slice(0, Math.max(dot, 0)));
  return family?.rule.placeholder === undefined ? unknownKey(key) : good({ field: family, name: key.slice(dot + 1) });
}

function unknownKey(key: string): Fault {
  const rest = key.slice(key.indexOf(".") + 1);
  const rules = [...byKey].map(([known, { rule }]) => [known, rule.placeholder !== undefined] as const);
  const candidates = rules.map(([known, isFamily]) => (isFamily ? `${known}.${rest}` : known));
  const families = new Set(rules.map(([known, isFamily]) => (isFamily ? `${known}.` : known.replace(/\..*/, "."))));
  const beginnings = [...families, updatePrefix].join(" ");
  return bad(`a key that begins with one of ${beginnings}`, suggest(key, candidates, "leave it out"));
}
