import type { Hook, Hooks } from "../nri/types.js";
import { Form } from "./form.js";
import { checkAbsolutePath, maxInt64 } from "./grammar.js";
import { type JsonTree, parseJsonTree } from "./json-tree.js";
import { bad, type Fault, good, idle, type Parsed } from "./parsed.js";

/** The stages of OCI hooks. */
export const hookStages = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const satisfies readonly (keyof Hooks)[];

export function hookStage(name: string): keyof Hooks | undefined {
  return hookStages.find((stage) => stage === name);
}

/** One OCI hook as JSON: `{"path": "/bin/x", "args": [...], "env": ["A=1"], "timeout": 2}`. */
export function parseHook(text: string): Parsed<Hook> {
  const parsed = parseJsonTree(text);
  return parsed.ok ? toHook(parsed.tree) : bad(`JSON of one OCI hook (${parsed.reason})`);
}

export function toHook(tree: JsonTree): Parsed<Hook> {
  let fault: Fault | undefined;
  const form = Form.read(tree, "the hook", ["path", "args", "env", "timeout"], (path, _, { reason, remedy }) => {
    fault ??= idle(`${path}: ${reason}`, remedy);
  });
  if (form === undefined) return fault ?? bad("one OCI hook");
  const hook: Hook = {
    path: form.text("path"),
    args: form.texts("args"),
    env: form.texts("env"),
    // The OCI specification: a timeout is above zero.
    ...(form.has("timeout") ? { timeout: form.integer("timeout", { min: 1n, max: maxInt64, unit: ", seconds" }) } : {}),
  };
  if (form.fault !== undefined) return form.fault;
  if (!checkAbsolutePath(hook.path).ok) return bad("a hook with an absolute path as path");
  return hook.env.every((variable) => /^[^=\0]+=[^\0]*$/.test(variable))
    ? good(hook)
    : bad("a hook whose env is a list of NAME=value");
}
