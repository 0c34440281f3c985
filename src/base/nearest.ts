/** The known name that a mistyped one most likely meant: at most a third of its letters differ. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const distance = (candidate: string) => editDistance(name.toLowerCase(), candidate.toLowerCase());
  const [nearest] = known.toSorted((a, b) => distance(a) - distance(b));
  const limit = Math.max(2, Math.floor(name.length / 3));
  return nearest !== undefined && distance(nearest) <= limit ? nearest : undefined;
}

/** `did you mean "x"?` for a mistyped name; another hint where none is near. */
export function nearestHint(name: string, known: readonly string[], otherwise: string): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? otherwise : `did you mean "${nearest}"?`;
}

/** Letters to insert, delete or replace to get from one text to the other (Levenshtein). */
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
