/** What is alike in every list of things that are enabled or disabled, and removed in the end. */
import { i18n } from "@/i18n";

import type { Column, Filter, Option, RowAction } from "./types";

export type Status = "enabled" | "disabled";
const STATUSES: readonly Status[] = ["enabled", "disabled"];

export function statusOptions(): Option[] {
  return STATUSES.map((value) => ({ value, label: i18n.global.t(`ui.statuses.${value}`) }));
}

export function statusFilter(): Filter {
  return { name: "status", label: "ui.state", as: "select", options: statusOptions };
}

export function statusColumn<Row extends { status: Status }>(): Column<Row> {
  return {
    name: "status",
    title: "ui.state",
    as: "state",
    state: ({ status }) => ({
      kind: status === "enabled" ? "ok" : "off",
      text: i18n.global.t(`ui.statuses.${status}`),
    }),
  };
}

/** Enabling and disabling: for each row the one that it is not. */
export function statusActions<Row extends { status: string }>(options: {
  needs: string;
  set: (row: Row, status: Status) => unknown;
  when?: (row: Row) => boolean;
}): RowAction<Row>[] {
  const { needs, set, when } = options;
  const action = (name: "enable" | "disable", icon: string, to: Status): RowAction<Row> => ({
    name,
    title: `ui.actions.${name}`,
    icon,
    needs,
    done: `ui.actions.${to}`,
    when: (row) =>
      STATUSES.some((one) => one !== to && one === row.status) && (when?.(row) ?? true),
    run: (row) => set(row, to),
  });
  return [action("enable", "play", "enabled"), action("disable", "pause", "disabled")];
}

/** Removing for good, after a question. */
export function removeAction<Row>(options: {
  needs: string;
  run: (row: Row) => unknown;
  ask: (row: Row) => { title: string; text: string; type?: string };
  when?: (row: Row) => boolean;
}): RowAction<Row> {
  const { ask, ...rest } = options;
  return {
    ...rest,
    name: "remove",
    title: "ui.actions.remove",
    icon: "remove",
    danger: true,
    done: "ui.actions.removed",
    confirm: (row) => ({
      ...ask(row),
      action: i18n.global.t("ui.actions.remove"),
      danger: true,
    }),
  };
}
