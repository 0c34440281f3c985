import type { LinuxDevice, Mount, POSIXRlimit } from "../nri/types.js";
import type { Ask, Asks } from "./asks.js";
import { deviceWrite, hooksWrite, mountWrite, rlimitWrite } from "./container-keys.js";
import { Form } from "./form.js";
import { type IntegerRange, maxInt64, maxUint64 } from "./grammar.js";
import { hookStages, toHook } from "./hook.js";
import type { JsonTree } from "./json-tree.js";
import { bad, good, map, type Parsed } from "./parsed.js";
import { readList, readObject, showTree } from "./tree-reader.js";
import type { Write } from "./types.js";
import { checkDevice, checkMount, checkRlimit } from "./values.js";

/** The lists of an `adjust` object whose elements have a name: each element is the ask for the key of that name. */

/** How to read the elements of one list. */
interface ElementForm {
  readonly family: string;
  /** The key of an element that names it. */
  readonly nameKey: string;
  readonly keys: readonly string[];
  /** @param name the element's name, which may begin with a removal's `-` */
  read(form: Form, name: string): Parsed<Write>;
}

const int64: IntegerRange = { min: -maxInt64 - 1n, max: maxInt64 };
const uint64: IntegerRange = { min: 0n, max: maxUint64 };
const uint32: IntegerRange = { min: 0n, max: 0xffff_ffffn };

export const mountForm: ElementForm = {
  family: "mount",
  nameKey: "destination",
  keys: ["destination", "type", "source", "options"],
  read(form, destination) {
    if (destination.startsWith("-")) return good(mountWrite({ destination, type: "", source: "", options: [] }));
    const mount: Mount = {
      destination,
      type: form.text("type"),
      source: form.text("source"),
      options: form.texts("options"),
    };
    return form.fault ?? map(checkMount(mount), mountWrite);
  },
};

export const deviceForm: ElementForm = {
  family: "device",
  nameKey: "path",
  keys: ["path", "type", "major", "minor", "fileMode", "uid", "gid"],
  read(form, path) {
    const device: LinuxDevice = {
      path,
      type: form.text("type"),
      major: form.integer("major", int64),
      minor: form.integer("minor", int64),
      ...(form.has("fileMode") ? { fileMode: Number(form.integer("fileMode", uint32)) } : {}),
      ...(form.has("uid") ? { uid: Number(form.integer("uid", uint32)) } : {}),
      ...(form.has("gid") ? { gid: Number(form.integer("gid", uint32)) } : {}),
    };
    return form.fault ?? map(checkDevice(device), deviceWrite);
  },
};

export const rlimitForm: ElementForm = {
  family: "rlimit",
  nameKey: "type",
  keys: ["type", "hard", "soft"],
  read(form, type) {
    const limit: POSIXRlimit = { type, soft: form.integer("soft", uint64), hard: form.integer("hard", uint64) };
    return form.fault ?? map(checkRlimit(limit), rlimitWrite);
  },
};

export const cdiForm: ElementForm = {
  family: "cdi",
  nameKey: "name",
  keys: ["name"],
  // The name is all that there is: the key's own parser checks it.
  read: () => bad("a CDI device"),
};

/** Reads one list; a name that stands twice in it is a fault. */
export function readElements(tree: JsonTree, path: string, form: ElementForm, asks: Asks): void {
  const seen = new Set<string>();
  readList(tree, path, asks.onFault, (item, at) => {
    const fields = Form.read(item, at, form.keys, asks.onFault);
    if (fields === undefined) return;
    const name = fields.text(form.nameKey);
    const bare = name.replace(/^-/, "");
    if (fields.fault !== undefined) asks.fault(at, showTree(item), fields.fault);
    else if (seen.has(bare)) asks.fault(at, showTree(item), bad(`one ${form.family} of this ${form.nameKey}`));
    else if (form === cdiForm) asks.add({ label: at, key: `cdi.${name}`, value: "" });
    else asks.add(askOf(`${form.family}.${name}`, at, item, form.read(fields, name)));
    seen.add(bare);
  });
}

/** Reads `hooks`: a list for each stage, and a stage's list is one field. */
export function readHooks(tree: JsonTree, path: string, asks: Asks): void {
  const readers = hookStages.map((stage) => [
    stage,
    (list: JsonTree, at: string) => {
      if (list.kind !== "array") return asks.onFault(at, showTree(list), bad("a list of OCI hooks"));
      const hooks = list.items.map(toHook);
      const wrong = hooks.find((hook) => !hook.ok);
      const found = hooks.flatMap((hook) => (hook.ok ? [hook.value] : []));
      asks.add(askOf(`hook.${stage}`, at, list, wrong ?? good(hooksWrite(stage, found))));
    },
  ]);
  readObject(tree, path, Object.fromEntries(readers), asks.onFault);
}

/** An ask whose value is no text for its key. */
export function askOf(key: string, label: string, tree: JsonTree, write: Parsed<Write>): Ask {
  return { label, key, value: showTree(tree), write };
}
