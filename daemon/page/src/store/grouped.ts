// Items by their kind, in the order in which kinds matter.

/// Kinds that are not in the order come last, as they are found: pawld may be newer than this page.
export function grouped<T>(
  items: readonly T[],
  kindOf: (item: T) => string,
  order: readonly string[],
): [kind: string, items: T[]][] {
  const groups = new Map<string, T[]>(order.map((kind) => [kind, []]));
  for (const item of items) groups.set(kindOf(item), [...(groups.get(kindOf(item)) ?? []), item]);
  return [...groups].filter(([, found]) => found.length > 0);
}
