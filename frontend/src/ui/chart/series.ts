import { activeLanguage } from "@/i18n";

/** One line or one set of columns. */
export interface ChartSeries {
  key: string;
  label: string;
  /** For each step; null where there is nothing to tell. */
  values: readonly (number | null)[];
  /** Everything beside the others: it is grey. */
  rest?: boolean;
}

/** The name of a step: its day, or its day and hour. The server tells it in the reader's zone. */
export function moment(iso: string, step: "hour" | "day", short = false): string {
  const style: Intl.DateTimeFormatOptions =
    step === "day"
      ? { month: "short", day: "numeric", ...(short ? {} : { weekday: "short" }) }
      : {
          hour: "2-digit",
          minute: "2-digit",
          ...(short ? {} : { month: "short", day: "numeric" }),
        };
  return new Intl.DateTimeFormat(activeLanguage.value, style).format(new Date(iso));
}

/**
 * Moves labels apart that would cover each other: each stays as near to where it belongs as it can,
 * in the same order, between `top` and `bottom`.
 */
export function apart(
  wanted: readonly number[],
  gap: number,
  top: number,
  bottom: number,
): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const placed = wanted.map((at) => Math.min(bottom, Math.max(top, at)));
  let least = top;
  for (const index of order) {
    placed[index] = Math.max(placed[index] ?? 0, least);
    least = (placed[index] ?? 0) + gap;
  }
  let most = bottom;
  for (const index of order.reverse()) {
    placed[index] = Math.min(placed[index] ?? 0, most);
    most = (placed[index] ?? 0) - gap;
  }
  return placed;
}
