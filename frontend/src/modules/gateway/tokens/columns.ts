import { i18n } from "@/i18n";
import type { Column } from "@/ui/crud/types";

import type { Token } from "../types";

type Kind = "ok" | "warn" | "bad" | "off";

const KINDS: Record<Token["state"], Kind> = {
  enabled: "ok",
  disabled: "off",
  revoked: "off",
  stopped: "bad",
  expired: "warn",
  exhausted: "warn",
};

export const STATES = Object.keys(KINDS) as Token["state"][];

export function stateOptions() {
  return STATES.map((value) => ({ value, label: i18n.global.t(`gateway.token.states.${value}`) }));
}

/** What is shown of a token. In the console it also says whose it is. */
export function tokenColumns(of: "portal" | "console" | "group"): Column<Token>[] {
  const wide: Column<Token>[] = [
    { name: "group_id", title: "gateway.group.one", sort: true },
    { name: "user_name", title: "gateway.token.person" },
  ];
  const person: Column<Token>[] = [{ name: "user_name", title: "gateway.token.person" }];
  return [
    { name: "name", title: "gateway.name", sort: true },
    ...(of === "console" ? wide : of === "group" ? person : []),
    {
      name: "state",
      title: "ui.state",
      as: "state",
      state: ({ state }) => ({
        kind: KINDS[state],
        text: i18n.global.t(`gateway.token.states.${state}`),
      }),
    },
    { name: "models", title: "gateway.token.models", hidden: of === "console" },
    { name: "requests", title: "gateway.calls", as: "number", sort: true },
    { name: "used", title: "gateway.spent", as: "money", sort: true },
    { name: "last_used_at", title: "gateway.last_used", as: "time", sort: true },
    { name: "expires_at", title: "gateway.token.expires", as: "day", sort: true },
    { name: "key", title: "gateway.token.key", as: "mono", detail: true },
    { name: "limits", title: "gateway.token.limits", detail: true },
    { name: "networks", title: "gateway.token.networks", as: "tags", detail: true },
    { name: "created_at", title: "gateway.created", as: "time", detail: true },
  ];
}

/** Its limits in a few words; null when there are none. */
export function limitsOf(of: Pick<Token, "rpm" | "tpm" | "concurrency">): string | null {
  const { t, n } = i18n.global;
  const told = [
    of.rpm === null ? null : t("gateway.limit.rpm_short", { count: n(of.rpm) }),
    of.tpm === null ? null : t("gateway.limit.tpm_short", { count: n(of.tpm) }),
    of.concurrency === null
      ? null
      : t("gateway.limit.concurrency_short", { count: n(of.concurrency) }),
  ].filter((text) => text !== null);
  return told.length > 0 ? told.join(" · ") : null;
}
