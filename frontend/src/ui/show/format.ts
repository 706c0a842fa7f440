import { activeLanguage } from "@/i18n";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS: readonly [limit: number, size: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [MINUTE, 1, "second"],
  [HOUR, MINUTE, "minute"],
  [DAY, HOUR, "hour"],
  [30 * DAY, DAY, "day"],
  [365 * DAY, 30 * DAY, "month"],
  [Infinity, 365 * DAY, "year"],
];

/** "3 minutes ago" in the reader's language. */
export function relative(iso: string, now = Date.now()): string {
  const seconds = (Date.parse(iso) - now) / 1000;
  const format = new Intl.RelativeTimeFormat(activeLanguage.value, { numeric: "auto" });
  if (Math.abs(seconds) < 5) return format.format(0, "second");
  for (const [limit, size, unit] of STEPS) {
    if (Math.abs(seconds) < limit) return format.format(Math.trunc(seconds / size), unit);
  }
  return exact(iso);
}

/** Date and time to the second, in the reader's language and time zone. */
export function exact(iso: string): string {
  const style = { dateStyle: "medium", timeStyle: "medium" } as const;
  return new Intl.DateTimeFormat(activeLanguage.value, style).format(new Date(iso));
}

/** The date alone. */
export function day(iso: string): string {
  return new Intl.DateTimeFormat(activeLanguage.value, { dateStyle: "medium" }).format(
    new Date(iso),
  );
}

/** Several names as the reader's language lists them; Chinese ones may be in another script. */
export function listed(names: readonly string[]): string {
  if (activeLanguage.value !== "en") return names.join("、");
  return new Intl.ListFormat(activeLanguage.value).format(names);
}

/** A number as the reader's language writes it. */
export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(activeLanguage.value, { maximumFractionDigits: digits }).format(
    value,
  );
}

const LEAST_DIGITS = 2;
const MOST_DIGITS = 9; // the ledger counts billionths

/**
 * An amount of money. It comes as a decimal text, which is exact, and is written with as many
 * digits as it has, two at least. Without a currency it is a number.
 */
export function money(amount: string, currency: string | null): string {
  const fraction = /\.(\d*?)0*$/.exec(amount)?.[1]?.length ?? 0;
  const digits = Math.min(MOST_DIGITS, Math.max(LEAST_DIGITS, fraction));
  const format = new Intl.NumberFormat(activeLanguage.value, {
    ...(currency === null
      ? {}
      : { style: "currency" as const, currency, currencyDisplay: "narrowSymbol" as const }),
    minimumFractionDigits: LEAST_DIGITS,
    maximumFractionDigits: digits,
  });
  // A decimal text is formatted exactly (Intl.NumberFormat v3); the types want it narrower.
  return format.format(amount as `${number}`);
}

const BRIEF_DIGITS = 4;

/** An amount to compare with others: two digits behind the point, four below one, never a false zero. */
export function moneyBrief(amount: string, currency: string | null): string {
  const least = 10 ** -BRIEF_DIGITS;
  const value = Number(amount);
  if (value > 0 && value < least) return `< ${money(least.toFixed(BRIEF_DIGITS), currency)}`;
  return money(value.toFixed(value >= 1 ? LEAST_DIGITS : BRIEF_DIGITS), currency);
}

/** A large number with its thousands or millions in short: 1.2M. */
export function compact(value: number): string {
  return new Intl.NumberFormat(activeLanguage.value, {
    notation: "compact",
    maximumFractionDigits: 1,
  }).format(value);
}

/** A share of one as percent: small ones with a digit behind the point. */
export function percent(share: number): string {
  const digits = share !== 0 && Math.abs(share) < 0.1 ? 1 : 0;
  return new Intl.NumberFormat(activeLanguage.value, {
    style: "percent",
    maximumFractionDigits: digits,
  }).format(share);
}

const SECOND_MS = 1000;

/** How long something took: milliseconds below a second, then seconds. */
export function duration(ms: number): string {
  const inSeconds = ms >= SECOND_MS;
  return new Intl.NumberFormat(activeLanguage.value, {
    style: "unit",
    unit: inSeconds ? "second" : "millisecond",
    unitDisplay: "short",
    maximumFractionDigits: inSeconds && ms < 100 * SECOND_MS ? 1 : 0,
  }).format(inSeconds ? ms / SECOND_MS : ms);
}
