/** Names that fit a column, and still tell what they name apart. */

/** Of what is left of a name, this part is its beginning, unless another cut tells more names apart. */
const HEAD_SHARE = 1 / 3;

/**
 * Names that are too long lose a part in their middle, where an ellipsis stands then. Which part, is chosen so that names that differ look
 * different, if the width allows it.
 * @param width in characters, at least 1
 */
export function shortNames(names: readonly string[], width: number): string[] {
  const usual = Math.floor((width - 1) * HEAD_SHARE);
  const short = names.map((name) => cut(name, width, usual));
  const groups = Map.groupBy(names.keys(), (index) => short[index]!);
  for (const group of groups.values()) {
    if (group.length === 1) continue;
    const alike = group.map((index) => names[index]!);
    const head = bestHead(alike, width, usual);
    for (const index of group) short[index] = cut(names[index]!, width, head);
  }
  return short;
}

/** How many characters of their beginnings tell the most of these names apart; `usual`, if no other does better. */
function bestHead(names: readonly string[], width: number, usual: number): number {
  let best = usual;
  let most = 1;
  for (let head = width - 1; head >= 0; head--) {
    const { size } = new Set(names.map((name) => cut(name, width, head)));
    if (size > most) [best, most] = [head, size];
  }
  return best;
}

function cut(name: string, width: number, head: number): string {
  if (name.length <= width) return name;
  return `${name.substring(0, head)}…${name.substring(name.length - (width - 1 - head))}`;
}
