import { computed } from "vue";

import { useAddress } from "@/ui/useAddress";

export const RANGES = ["24h", "7d", "30d", "90d", "custom"] as const;
export type Range = (typeof RANGES)[number];
export type Step = "hour" | "day";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DAYS: Record<Exclude<Range, "custom">, number> = { "24h": 1, "7d": 7, "30d": 30, "90d": 90 };
/** The server shows no more hours at once. */
const MOST_HOURS_DAYS = 31;

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A day of the reader's as it stands in a date field. */
export function dayText(moment: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

/** The time that is asked for: both ends as the API takes them. `to` is open when it is now. */
export function boundsOf(
  range: Range,
  from: string,
  to: string,
  now = Date.now(),
): { from: string; to?: string } {
  if (range !== "custom") return { from: new Date(now - DAYS[range] * DAY_MS).toISOString() };
  const begin = Date.parse(`${from}T00:00`);
  const last = Date.parse(`${to}T00:00`);
  const first = Number.isNaN(begin) ? now - DAYS["30d"] * DAY_MS : begin;
  const bounds = { from: new Date(first).toISOString() };
  if (Number.isNaN(last)) return bounds;
  const end = new Date(last);
  end.setDate(end.getDate() + 1); // the last day is meant whole
  return { ...bounds, to: end.toISOString() };
}

/** Whether it can be shown by the hour. */
export function allowsHours(range: Range, from: string, to: string): boolean {
  if (range !== "custom") return DAYS[range] <= MOST_HOURS_DAYS;
  const bounds = boundsOf(range, from, to);
  const end = bounds.to ? Date.parse(bounds.to) : Date.now();
  return end - Date.parse(bounds.from) <= MOST_HOURS_DAYS * DAY_MS;
}

/** The period of a page of usage; it stands in the address. */
export function usePeriod() {
  const range = useAddress<Range>("range", "30d", RANGES);
  const from = useAddress("from", dayText(new Date(Date.now() - 7 * DAY_MS)));
  const to = useAddress("to", dayText(new Date()));
  const wantedStep = useAddress<Step | "">("step", "", ["hour", "day"]);
  const hours = computed(() => allowsHours(range.value, from.value, to.value));
  const step = computed<Step>({
    get() {
      if (!hours.value) return "day";
      return wantedStep.value || (range.value === "24h" ? "hour" : "day");
    },
    set: (value) => (wantedStep.value = value),
  });
  /** What belongs into the key of a query: the moment itself moves on. */
  const key = computed(() => [range.value, from.value, to.value, step.value] as const);
  const query = () => ({
    ...boundsOf(range.value, from.value, to.value),
    step: step.value,
    tz: ZONE,
  });
  return { range, from, to, step, hours, key, query };
}

export type Period = ReturnType<typeof usePeriod>;
