/**
 * What one step among its siblings changes: the numbers of those that stand elsewhere then. Numbers
 * that tell all of them apart are dealt out anew; where some are the same, all get new ones.
 */
export function moved<Row extends { sort: number }>(
  siblings: readonly Row[],
  row: Row,
  step: -1 | 1,
): { row: Row; sort: number }[] {
  const from = siblings.indexOf(row);
  const to = from + step;
  if (from < 0 || to < 0 || to >= siblings.length) return [];
  const order = [...siblings];
  order.splice(to, 0, ...order.splice(from, 1));
  const numbers = siblings.map(({ sort }) => sort).sort((a, b) => a - b);
  const distinct = new Set(numbers).size === numbers.length;
  return order
    .map((one, at) => ({ row: one, sort: distinct ? (numbers[at] ?? 0) : (at + 1) * 10 }))
    .filter(({ row: one, sort }) => one.sort !== sort);
}

interface Branch<Row> {
  children: readonly Row[];
}

/** Each row of a tree, with those that it stands among. */
export function siblingsIn<Row extends Branch<Row>>(
  tree: readonly Row[],
): Map<Row, readonly Row[]> {
  const found = new Map<Row, readonly Row[]>();
  const walk = (rows: readonly Row[]): void => {
    for (const row of rows) {
      found.set(row, rows);
      walk(row.children);
    }
  };
  walk(tree);
  return found;
}

/** The rows that match, with all above and below them. */
export function narrowed<Row extends Branch<Row>>(
  tree: readonly Row[],
  matches: (row: Row) => boolean,
): Row[] {
  return tree.flatMap((row) => {
    if (matches(row)) return [row];
    const children = narrowed(row.children, matches);
    return children.length > 0 ? [{ ...row, children }] : [];
  });
}
