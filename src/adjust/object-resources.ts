import type { Asks } from "./asks.js";
import { Form } from "./form.js";
import { maxUint64 } from "./grammar.js";
import type { JsonTree } from "./json-tree.js";
import { readScalar, readTexts } from "./object-scalars.js";
import { resourceKeys } from "./resource-keys.js";
import { type Readers, readList, readObject, showTree } from "./tree-reader.js";

/**
 * Reads OCI's LinuxResources as far as there are adjust keys for it; each field is asked for as that key.
 *
 * @param prefix `update.<containerID>.` for another container, else ""
 */
export function readResources(tree: JsonTree, path: string, prefix: string, asks: Asks): void {
  const group = (name: string) => (value: JsonTree, at: string) =>
    readObject(value, at, fieldsOf(name, prefix, asks), asks.onFault);
  readObject(
    tree,
    path,
    {
      cpu: group("cpu"),
      memory: group("memory"),
      pids: group("pids"),
      hugepageLimits: (list, at) =>
        readList(list, at, asks.onFault, (item, where) => readHugepageLimit(item, where, prefix, asks)),
      unified: readTexts(asks, `${prefix}unified`),
      blockioClass: readScalar(asks, `${prefix}blockioClass`, "string"),
      rdtClass: readScalar(asks, `${prefix}rdtClass`, "string"),
    },
    asks.onFault,
  );
}

/** The fields of `cpu`, `memory` or `pids`: those that have keys. */
function fieldsOf(group: string, prefix: string, asks: Asks): Readers {
  const fields = Object.entries(resourceKeys).flatMap(([key, { json }]) =>
    key.startsWith(`${group}.`) && json !== undefined
      ? [[key.slice(group.length + 1), readScalar(asks, `${prefix}${key}`, json)] as const]
      : [],
  );
  return Object.fromEntries(fields);
}

function readHugepageLimit(tree: JsonTree, path: string, prefix: string, asks: Asks): void {
  const form = Form.read(tree, path, ["pageSize", "limit"], asks.onFault);
  if (form === undefined) return;
  const key = `${prefix}hugepage.${form.text("pageSize")}`;
  const value = String(form.integer("limit", { min: 0n, max: maxUint64, unit: ", bytes" }));
  if (form.fault === undefined) asks.add({ label: path, key, value });
  else asks.fault(path, showTree(tree), form.fault);
}
