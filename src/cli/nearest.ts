// The word that was meant: for "did you mean" behind a misspelt command, option or key.

/** The closest word that begins so, or is at most two changes away; none for words too short to tell. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const measured = words.map((other) => ({ other, changes: other.startsWith(word) ? 1 : distance(word, other) }));
  const [best] = measured.sort((a, b) => a.changes - b.changes);
  return best && best.changes <= 2 && best.changes < Math.max(word.length, best.other.length) ? best.other : undefined;
}

/** Levenshtein: insertions, deletions and replacements between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, char] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const change = (row[j] ?? 0) + (char === other ? 0 : 1);
      next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
