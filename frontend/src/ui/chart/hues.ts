/** How many series have a hue of their own; the rest together is grey. */
export const HUES = 6;

/** The token of a series' hue. `rest` stands for everything beside the others. */
export function hueOf(index: number, rest = false): string {
  return rest || index >= HUES ? "--pf-edge" : `--pf-series-${index + 1}`;
}

/** Our colours as a canvas takes them: `light-dark()` is decided by the browser. */
export function readColours<Name extends string>(
  place: HTMLElement,
  names: readonly Name[],
): Record<Name, string> {
  const probe = document.createElement("span");
  probe.hidden = true;
  place.append(probe);
  const found = names.map((name) => {
    probe.style.color = `var(${name})`;
    return [name, getComputedStyle(probe).color] as const;
  });
  probe.remove();
  return Object.fromEntries(found) as Record<Name, string>;
}
