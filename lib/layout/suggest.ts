/** Insertions, deletions and replacements of one character that turn `a` into `b`. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}

/**
 * The candidates that someone who wrote `text` may have meant: those it is the first part of, up to a
 * hyphen; else those fewest typing mistakes away, if that is few enough to be one. At most three, in
 * the order given.
 */
export function closest(text: string, candidates: readonly string[]): string[] {
  const wanted = text.toLowerCase()
  const longer = candidates.filter(name => name.toLowerCase().startsWith(`${wanted}-`))
  if (longer.length > 0) return longer.slice(0, 3)
  const ranked = candidates.map(name => ({ name, mistakes: distance(wanted, name.toLowerCase()) }))
  const fewest = Math.min(...ranked.map(each => each.mistakes))
  if (fewest > Math.max(2, text.length / 3)) return []
  return ranked
    .filter(each => each.mistakes === fewest)
    .slice(0, 3)
    .map(each => each.name)
}

/** "a", "a and b", "a, b and c". */
export function series(items: readonly (string | number)[], last: 'and' | 'or' = 'and'): string {
  if (items.length < 2) return items.join('')
  return `${items.slice(0, -1).join(', ')} ${last} ${items.at(-1)}`
}
