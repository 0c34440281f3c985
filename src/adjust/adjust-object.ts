import type { Asks } from "./asks.js";
import { argsWrite } from "./container-keys.js";
import { type JsonTree, parseJsonTree } from "./json-tree.js";
import { askOf, cdiForm, deviceForm, mountForm, readElements, readHooks, rlimitForm } from "./object-lists.js";
import { readResources } from "./object-resources.js";
import { readScalar, readTexts } from "./object-scalars.js";
import { bad, map, type Parsed } from "./parsed.js";
import { readList, readObject, showTree, textOf, textsOf } from "./tree-reader.js";
import type { Write } from "./types.js";
import { checkArgs } from "./values.js";

/**
 * Reads a result's `adjust` object: the fields of NRI's ContainerAdjustment, spelled as OCI or NRI spells them, `env` as
 * an object, and `update` as the list that stands beside an adjustment in NRI's answers.
 */
export function readAdjustObject(text: string, asks: Asks): void {
  const parsed = parseJsonTree(text);
  if (!parsed.ok) {
    asks.fault("adjust", text, bad(`an object (${parsed.reason})`));
    return;
  }
  readObject(
    parsed.tree,
    "adjust",
    {
      annotations: readTexts(asks, "annotation"),
      env: readTexts(asks, "env"),
      mounts: (tree, path) => readElements(tree, path, mountForm, asks),
      hooks: (tree, path) => readHooks(tree, path, asks),
      rlimits: (tree, path) => readElements(tree, path, rlimitForm, asks),
      args: (tree, path) => asks.add(askOf("args", path, tree, argsOf(tree))),
      CDIDevices: (tree, path) => readElements(tree, path, cdiForm, asks),
      linux: (tree, path) => readLinux(tree, path, asks),
      update: (tree, path) => readList(tree, path, asks.onFault, (item, at) => readUpdate(item, at, asks)),
    },
    asks.onFault,
  );
}

function readLinux(tree: JsonTree, path: string, asks: Asks): void {
  readObject(
    tree,
    path,
    {
      devices: (devices, at) => readElements(devices, at, deviceForm, asks),
      resources: (resources, at) => readResources(resources, at, "", asks),
      cgroupsPath: readScalar(asks, "cgroupsPath", "string"),
      oomScoreAdj: readScalar(asks, "oomScoreAdj", "number"),
      sysctl: readTexts(asks, "sysctl"),
    },
    asks.onFault,
  );
}

/** `{"containerId": "...", "linux": {"resources": {...}}}` */
function readUpdate(tree: JsonTree, path: string, asks: Asks): void {
  let container: string | undefined;
  const resources: { readonly tree: JsonTree; readonly path: string }[] = [];
  readObject(
    tree,
    path,
    {
      containerId: (value, at) => {
        const id = textOf(value);
        if (id.ok) container = id.value;
        else asks.onFault(at, showTree(value), id);
      },
      linux: (value, at) =>
        readObject(
          value,
          at,
          { resources: (found, where) => void resources.push({ tree: found, path: where }) },
          asks.onFault,
        ),
    },
    asks.onFault,
  );
  const [found] = resources;
  if (container === undefined || found === undefined) {
    asks.onFault(path, showTree(tree), bad("an update with containerId and linux.resources"));
  } else readResources(found.tree, found.path, `update.${container}.`, asks);
}

function argsOf(tree: JsonTree): Parsed<Write> {
  const texts = textsOf(tree);
  return texts.ok ? map(checkArgs(texts.value), argsWrite) : texts;
}
