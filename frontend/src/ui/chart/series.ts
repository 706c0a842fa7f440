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
