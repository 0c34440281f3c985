import { type Asks, isRemoval, mostFaults, type Place, Value } from "./asks.js";
import { byKey, type Field, isFamily, textForm } from "./fields.js";
import { bad, type Fault, suggest } from "./parsed.js";
import { readElement, readEntry, readField } from "./reader.js";
import { string } from "./text-forms.js";

export const adjustPrefix = "adjust.";
const updatePrefix = "update.";

export function readKey(key: string, place: Place & { readonly text: string }, asks: Asks): void {
  const { text } = place;
  if (asks.faults.length >= mostFaults) return;
  const resolved = resolveKey(key);
  if (!resolved.ok) {
    new Value({ kind: "string", text }, place, asks).fault(resolved);
    return;
  }
  const { field, name, container } = resolved;
  const at = container === undefined ? place : { ...place, container };
  const tree = (textForm(field) ?? string)(name, text);
  const value = new Value(tree.ok ? tree.value : { kind: "string", text }, at, asks);
  if (!isFamily(field) && tree.ok) readField(field, value);
  // The bridge does not read a value without effect, so that a wrong one cannot fail a delete.
  else if (!asks.takesEffect(field, value)) return;
  else if (isRemoval(field.rule, name) && text !== "") value.fault(asks.removalFault(field.rule, text));
  else if (!tree.ok) value.fault(tree);
  else if (field.shape === "map") readEntry(field, name, value);
  else readElement(field, value);
}

/** The field that an adjust key means. `name`: the text after the field's key and a dot, with the `-` of a removal. */
type ResolvedKey = { readonly ok: true; readonly field: Field; readonly name: string; readonly container?: string };

/** Finds the field that an adjust key (without its prefix) means. The fault of an unknown key suggests the nearest known key. */
function resolveKey(key: string): ResolvedKey | Fault {
  if (!key.startsWith(updatePrefix)) return resolvePlain(key);
  const [container = "", ...rest] = key.slice(updatePrefix.length).split(".");
  // Ids of containers are hexadecimal in the CRI; none holds a dot.
  if (!/^[\w-]+$/.test(container)) return bad("update.<containerID>.<key>", "fix the key");
  const plain = resolvePlain(rest.join("."));
  return plain.ok ? { ...plain, container } : plain;
}

function resolvePlain(key: string): ResolvedKey | Fault {
  const dot = key.indexOf(".");
  const family = byKey.get(key.slice(0, Math.max(dot, 0)));
  if (family !== undefined && isFamily(family)) return { ok: true, field: family, name: key.slice(dot + 1) };
  const field = byKey.get(key);
  return field === undefined || isFamily(field) ? unknownKey(key) : { ok: true, field, name: "" };
}

function unknownKey(key: string): Fault {
  const rest = key.slice(key.indexOf(".") + 1);
  const known = [...byKey].map(([name, field]) => [name, isFamily(field)] as const);
  const candidates = known.map(([name, isStart]) => (isStart ? `${name}.${rest}` : name));
  const families = new Set(known.map(([name, isStart]) => (isStart ? `${name}.` : name.replace(/\..*/, "."))));
  const beginnings = [...families, updatePrefix].join(" ");
  return bad(`a key that begins with one of ${beginnings}`, suggest(key, candidates, "leave it out"));
}
