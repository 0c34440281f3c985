/** Wraps `ask` so that the wrapper calls it once for each key, and returns the remembered answer from then on. */
export function remember<T>(ask: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    const answer = known.get(key) ?? ask(key);
    known.set(key, answer);
    return answer;
  };
}

/** Wraps a log method so that each sentence is logged only the first time, whatever its fields. */
export function sayOnce(say: (fields: object, sentence: string) => void): (fields: object, sentence: string) => void {
  const said = new Set<string>();
  return (fields, sentence) => {
    if (said.has(sentence)) return;
    said.add(sentence);
    say(fields, sentence);
  };
}
