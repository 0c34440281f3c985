import { parseInteger, uint64 } from "./checks.js";
import { type JsonTree, parseJsonTree } from "./json-tree.js";
import { bad, good, type Parsed } from "./parsed.js";

/**
 * Converts the text of a metadata key to the JSON that `adjust` has for the same setting.
 * @param name the part of the metadata key after the field's own key, with the `-` of a removal
 */
export type TextForm = (name: string, text: string) => Parsed<JsonTree>;

export const string: TextForm = (_, text) => good({ kind: "string", text });
export const number: TextForm = (_, text) => good({ kind: "number", text });
export const bool: TextForm = (_, text) =>
  text === "true" || text === "false" ? good({ kind: "bool", value: text === "true" }) : bad("true or false");

type Part = string | bigint | readonly string[];

export function object(parts: Readonly<Record<string, Part>>): Parsed<JsonTree> {
  const entries: [string, JsonTree][] = [];
  for (const [key, part] of Object.entries(parts)) entries.push([key, toTree(part)]);
  return good({ kind: "object", entries });
}

function toTree(part: Part): JsonTree {
  if (typeof part === "string") return { kind: "string", text: part };
  return typeof part === "bigint" ? { kind: "number", text: `${part}` } : { kind: "array", items: part.map(toTree) };
}

/**
 * Reads `source,type,option...`: the parts of a line of /proc/mounts, separated by commas. A plugin whose source path holds a comma
 * has to use the `adjust` object.
 */
export function mountText(destination: string, text: string): Parsed<JsonTree> {
  if (destination.startsWith("-")) return object({ destination });
  const [source = "", type = "", ...options] = text.split(",");
  if (source !== "" && type !== "" && !options.includes("")) return object({ destination, type, source, options });
  return bad("source,type,option...: such as /srv/data,bind,rbind,ro or tmpfs,tmpfs,size=64m");
}

export const deviceForm = "type:major:minor[:mode[:uid[:gid]]], type one of b c p u, mode octal: such as c:10:229:0666";

export function deviceText(path: string, text: string): Parsed<JsonTree> {
  if (path.startsWith("-")) return object({ path });
  const match = /^([a-z]):(\d{1,10}):(\d{1,10})(?::([0-7]{1,5})(?::(\d{1,10})(?::(\d{1,10}))?)?)?$/.exec(text);
  if (match === null) return bad(deviceForm);
  const [, type = "", major = "", minor = "", mode, uid, gid] = match;
  return object({
    ...{ path, type, major: BigInt(major), minor: BigInt(minor) },
    ...(mode === undefined ? {} : { fileMode: BigInt(`0o${mode}`) }),
    ...(uid === undefined ? {} : { uid: BigInt(uid) }),
    ...(gid === undefined ? {} : { gid: BigInt(gid) }),
  });
}

/** Reads `soft:hard`, each a number or `unlimited`. */
export function rlimitText(type: string, text: string): Parsed<JsonTree> {
  const limits = text.split(":").map((limit) => (limit === "unlimited" ? uint64.max : parseInteger(limit, uint64)));
  const [soft, hard] = limits;
  if (limits.length === 2 && soft !== undefined && hard !== undefined) return object({ type, soft, hard });
  return bad("soft:hard, each an integer from 0 to 18446744073709551615 or unlimited: such as 1024:unlimited");
}

export function json(what: string): TextForm {
  return (_, text) => parseJsonTree(text, what);
}

/** Reads one OCI hook as JSON: `{"path": "/bin/x", "args": [...], "env": ["A=1"], "timeout": 2}`. */
export const hookText: TextForm = (_, text) => {
  const parsed = parseJsonTree(text, "JSON of one OCI hook");
  return parsed.ok ? good({ kind: "array", items: [parsed.value] }) : parsed;
};

export function nameOnly(name: string, text: string): Parsed<JsonTree> {
  return text === "" ? object({ name }) : bad("an empty text");
}
