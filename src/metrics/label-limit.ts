/** What stands for every value past a limit. */
export const overflowLabel = "_other";

const longest = 100;

/**
 * Keeps a label's values few: each one is a time series, and conf.json is edited by installers. The first `limit`
 * values keep their names, the others share one.
 */
export function createLabelLimit(limit: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    const label = value.slice(0, longest);
    if (known.has(label)) return label;
    if (known.size >= limit) return overflowLabel;
    known.add(label);
    return label;
  };
}
