import type { core } from "zod/mini";

/** As much of somebody's text as a message repeats: the file may be none that was meant to be read. */
const mostLetters = 200;

export function excerpt(text: string): string {
  return text.length <= mostLetters ? text : `${text.slice(0, mostLetters)}…`;
}

/** What is wrong with a value: which, what it is, and what was expected. */
export function describeFault(issue: core.$ZodIssue, root: unknown): string {
  if (issue.code === "invalid_key") {
    const [fault] = issue.issues;
    const expected = fault === undefined ? "another" : describeExpected(fault);
    return `"${excerpt(issue.path.slice(0, -1).join("."))}" has the key ${describeValue(issue.path.at(-1))}, expected ${expected}`;
  }
  const name = issue.path.length === 0 ? "the document" : `"${excerpt(issue.path.map(String).join("."))}"`;
  // A variable for plugins may hold a secret.
  const isHidden = issue.path.slice(-3, -1).join(".") === "environment.set";
  const value = isHidden ? "another value" : describeValue(valueAt(root, issue.path));
  return `${name} is ${value}, expected ${describeExpected(issue)}`;
}

const kinds: Readonly<Record<string, string>> = {
  record: "a mapping",
  object: "a mapping",
  array: "a list",
  int: "a whole number",
  string: "text (in quotes where it looks like a number)",
};

function describeExpected(issue: core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return kinds[issue.expected] ?? `a ${issue.expected}`;
    case "invalid_value":
      return issue.values.map(String).join(" or ");
    case "too_small":
      return `at least ${issue.minimum}${issue.origin === "array" ? " entry" : ""}`;
    case "too_big":
      return `at most ${issue.maximum}`;
    case "invalid_union":
      return "all, or a list of names";
    default:
      return issue.message;
  }
}

function describeValue(value: unknown): string {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a mapping";
  return excerpt(JSON.stringify(value));
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}
