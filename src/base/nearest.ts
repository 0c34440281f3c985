/**
 * The known name that is closest to a mistyped name. Undefined when more than a third of the name's letters, and more than two,
 * differ from every known name.
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const distance = (candidate: string) => editDistance(name.toLowerCase(), candidate.toLowerCase());
  const [nearest] = known.toSorted((a, b) => distance(a) - distance(b));
  const limit = Math.max(2, Math.floor(name.length / 3));
  return nearest !== undefined && distance(nearest) <= limit ? nearest : undefined;
}

/** `did you mean "x"?` for a mistyped name, or the text `otherwise` when no known name is close to the mistyped one. */
export function nearestHint(name: string, known: readonly string[], otherwise: string): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? otherwise : `did you mean "${nearest}"?`;
}

/** The Levenshtein distance: how many letters one has to insert, delete or replace to turn one text into the other. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
