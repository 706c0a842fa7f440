import { i18n } from "@/i18n";
import type { Column, Filter } from "@/ui/crud/types";

import type { Log } from "../types";

export const OUTCOMES = [
  "completed",
  "refused",
  "upstream_error",
  "client_gone",
  "interrupted",
] as const;
type Outcome = (typeof OUTCOMES)[number];
const CLASSES = ["2xx", "4xx", "5xx"] as const;

export function outcomeText(outcome: string): string {
  const known = OUTCOMES.includes(outcome as Outcome);
  return known ? i18n.global.t(`gateway.log.outcomes.${outcome as Outcome}`) : outcome;
}

/** How it went, at a glance: its mark and its word. */
export function stateOf(log: Log): { kind: "ok" | "warn" | "bad"; text: string } {
  const kind =
    log.outcome === "completed" && log.status < 400
      ? "ok"
      : log.outcome === "client_gone" || log.outcome === "refused"
        ? "warn"
        : "bad";
  const text = log.outcome === "completed" ? String(log.status) : outcomeText(log.outcome);
  return { kind, text };
}

/** What is shown of a call. */
export function logColumns(of: "portal" | "console"): Column<Log>[] {
  const more: Column<Log>[] = [
    { name: "group_id", title: "gateway.group.one" },
    { name: "channel_name", title: "gateway.channel.one" },
  ];
  return [
    { name: "started_at", title: "gateway.log.time", as: "time" },
    { name: "state", title: "ui.state", as: "state", state: stateOf },
    { name: "model", title: "gateway.model.one" },
    { name: "token_name", title: "gateway.token.one" },
    ...(of === "console" ? more : []),
    { name: "tokens", title: "gateway.log.tokens", as: "number", value: (log) => log.input },
    { name: "cost", title: "gateway.metric.cost", as: "money", currency: (log) => log.currency },
    { name: "duration_ms", title: "gateway.log.duration", as: "number" },
    { name: "request_id", title: "gateway.log.request_id", as: "mono", hidden: true },
    { name: "ip", title: "gateway.log.ip", as: "mono", hidden: true },
  ];
}

/** Filters that every face has. */
export function logFilters(): Filter[] {
  const { t } = i18n.global;
  return [
    { name: "model", label: "gateway.model.one" },
    {
      name: "outcome",
      label: "gateway.log.outcome",
      as: "select",
      options: () =>
        OUTCOMES.map((value) => ({ value, label: t(`gateway.log.outcomes.${value}`) })),
    },
    {
      name: "status",
      label: "gateway.log.status",
      as: "select",
      more: true,
      options: () => CLASSES.map((value) => ({ value, label: value })),
    },
    { name: "request_id", label: "gateway.log.request_id", more: true },
    { name: "started_from", label: "gateway.log.from", as: "moment", more: true },
    { name: "started_to", label: "gateway.log.to", as: "moment", more: true },
  ];
}

const MOMENTS = new Set(["started_from", "started_to"]);

/** Filters as the API takes them: a local moment becomes one that everybody understands. */
export function asQuery(filters: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(filters).flatMap(([name, value]) => {
      if (!MOMENTS.has(name)) return [[name, value]];
      const moment = Date.parse(value);
      return Number.isNaN(moment) ? [] : [[name, new Date(moment).toISOString()]];
    }),
  );
}
