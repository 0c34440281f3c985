/** The answer for each key, asked for once. */
export function remember<T>(ask: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    const answer = known.get(key) ?? ask(key);
    known.set(key, answer);
    return answer;
  };
}

/** Says each sentence once. */
export function sayOnce(say: (fields: object, sentence: string) => void): (fields: object, sentence: string) => void {
  const said = new Set<string>();
  return (fields, sentence) => {
    if (said.has(sentence)) return;
    said.add(sentence);
    say(fields, sentence);
  };
}
