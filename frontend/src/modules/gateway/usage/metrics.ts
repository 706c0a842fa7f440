/** What a chart of usage shows, and how it is written. */
import type { ChartSeries } from "@/ui/chart/series";
import { compact, duration, moneyBrief, number, percent } from "@/ui/show/format";

import type { Sums, Usage } from "../types";

export const METRICS = ["cost", "calls", "tokens", "errors", "latency"] as const;
export type Metric = (typeof METRICS)[number];

/** The number of some calls that a metric is about; null: nothing was measured. */
export function measure(metric: Metric, sums: Sums): number | null {
  switch (metric) {
    case "cost":
      return Number(sums.cost);
    case "calls":
      return sums.calls;
    case "tokens":
      return sums.input + sums.output;
    case "errors":
      return sums.errors;
    case "latency":
      return sums.p95_ms;
  }
}

export function errorRate(sums: Sums): number {
  return sums.calls === 0 ? 0 : sums.errors / sums.calls;
}

/** How much more or less than before, as a share of what was before; null: nothing was before. */
export function change(metric: Metric, now: Sums, before: Sums): number | null {
  const [a, b] =
    metric === "errors"
      ? [errorRate(now), errorRate(before)]
      : [measure(metric, now), measure(metric, before)];
  return a === null || b === null || b === 0 ? null : a / b - 1;
}

/** A number of a metric for reading; with `axis` short enough for an axis. */
export function write(
  metric: Metric,
  value: number,
  currency: string | null,
  axis = false,
): string {
  if (metric === "cost") {
    return axis && value >= 10
      ? moneyBrief(value.toFixed(0), currency)
      : moneyBrief(String(value), currency);
  }
  if (metric === "latency") return duration(value);
  return axis || value >= 1_000_000 ? compact(value) : number(value);
}

/** The large number of a metric. */
export function writeTotal(metric: Metric, sums: Sums, currency: string | null): string {
  if (metric === "errors") return percent(errorRate(sums));
  const value = measure(metric, sums);
  if (value === null) return "–";
  return metric === "cost" ? moneyBrief(sums.cost, currency) : write(metric, value, currency);
}

type Points = Usage["series"][number]["points"];

/** A value for each step: no calls are zero, but have no duration. */
export function spread(
  steps: readonly string[],
  points: Points,
  value: (sums: Sums) => number | null,
  none: number | null,
): (number | null)[] {
  const found = new Map(points.map((point) => [Date.parse(point.at), value(point)]));
  return steps.map((at) => found.get(Date.parse(at)) ?? none);
}

/** The lines of a chart by model, group, token or channel. */
export function linesOf(usage: Usage, metric: Metric, rest: string): ChartSeries[] {
  const none = metric === "latency" ? null : 0;
  return usage.series
    .filter((series) => series.totals.calls > 0)
    .map((series) => ({
      key: series.key ?? "",
      label: series.key === null ? rest : series.label || series.key,
      values: spread(usage.steps, series.points, (sums) => measure(metric, sums), none),
      rest: series.key === null,
    }));
}
