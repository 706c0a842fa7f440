import { api, take } from "@/api/client";
import { i18n } from "@/i18n";
import { removeAction, statusActions, type Status } from "@/ui/crud/status";
import type { BatchAction, RowAction } from "@/ui/crud/types";

import type { Token, TokenWithKey } from "../types";

const WRITE = "gateway.tokens:write";
const path = (token: Token) => ({ params: { path: { token_id: token.id } } });
const alive = (token: Token) => token.status !== "revoked";

function ask(name: "rotate" | "revoke" | "remove", token: Token) {
  const { t } = i18n.global;
  return {
    title: t(`gateway.token.${name}_title`, { name: token.name }),
    text: t(`gateway.token.${name}_text`),
    action: t(`gateway.token.${name}`),
    danger: name !== "rotate",
  };
}

function setStatus(token: Token, status: Status) {
  return api.PATCH("/api/v1/gateway/tokens/{token_id}", { ...path(token), body: { status } });
}

/** What can be done with a token; `shown` gets a new key, once. */
export function tokenActions(shown: {
  key: (token: TokenWithKey) => void;
  connect: (token: Token) => void;
}): RowAction<Token>[] {
  return [
    {
      name: "connect",
      title: "gateway.token.connect",
      icon: "code",
      when: alive,
      run: (token) => shown.connect(token),
    },
    ...statusActions<Token>({ needs: WRITE, set: setStatus }),
    {
      name: "take_over",
      title: "gateway.token.take_over",
      icon: "person",
      needs: WRITE,
      done: "gateway.token.taken_over",
      when: (token) => token.state === "stopped",
      run: (token) => api.POST("/api/v1/gateway/tokens/{token_id}/take-over", path(token)),
    },
    {
      name: "rotate",
      title: "gateway.token.rotate",
      icon: "refresh",
      needs: WRITE,
      when: alive,
      confirm: (token) => ask("rotate", token),
      run: async (token) =>
        shown.key(await take(api.POST("/api/v1/gateway/tokens/{token_id}/rotate", path(token)))),
    },
    {
      name: "revoke",
      title: "gateway.token.revoke",
      icon: "remove",
      danger: true,
      needs: WRITE,
      done: "gateway.token.revoked",
      when: alive,
      confirm: (token) => ask("revoke", token),
      run: (token) => api.POST("/api/v1/gateway/tokens/{token_id}/revoke", path(token)),
    },
    removeAction({
      needs: WRITE,
      when: (token) => !alive(token),
      ask: (token) => ask("remove", token),
      run: (token) => api.DELETE("/api/v1/gateway/tokens/{token_id}", path(token)),
    }),
  ];
}

/** What can be done with several. */
export function tokenBatch(): BatchAction<Token>[] {
  const { t } = i18n.global;
  return [
    {
      name: "disable",
      title: "ui.actions.disable",
      needs: WRITE,
      done: "ui.actions.disabled",
      run: (tokens) =>
        Promise.all(
          tokens.filter((one) => one.status === "enabled").map((one) => setStatus(one, "disabled")),
        ),
    },
    {
      name: "revoke",
      title: "gateway.token.revoke",
      danger: true,
      needs: WRITE,
      done: "gateway.token.revoked",
      confirm: (tokens) => ({
        title: t("gateway.token.revoke_many", { count: tokens.length }),
        text: t("gateway.token.revoke_text"),
        action: t("gateway.token.revoke"),
        danger: true,
      }),
      run: (tokens) =>
        Promise.all(
          tokens
            .filter(alive)
            .map((one) => api.POST("/api/v1/gateway/tokens/{token_id}/revoke", path(one))),
        ),
    },
  ];
}
