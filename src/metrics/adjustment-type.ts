/** Adjust keys that are a family, with a name of the plugin's choice behind the first dot. */
const families: ReadonlySet<string> = new Set([
  ..."annotation env mount device rlimit hook cdi sysctl hugepage unified update".split(" "),
]);

/**
 * What of a container an adjust key is about: `cpu.shares`, `env`, and `update` for another container's, as containerd's
 * own metric says it. Few enough for a label.
 */
export function adjustmentType(field: string): string {
  const [family = ""] = field.split(".");
  return families.has(family) ? family : field;
}
