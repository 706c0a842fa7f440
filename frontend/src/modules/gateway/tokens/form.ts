import type { Ref } from "vue";

import { api, take } from "@/api/client";
import type { FormField, Option } from "@/ui/crud/types";
import { useForm } from "@/ui/crud/useForm";

import type { Token, TokenWithKey } from "../types";

/** A token as it is typed. An empty list of models means all of them. */
export interface TokenValues {
  group_id: string;
  name: string;
  models: string[];
  quota: string | null;
  expires_at: string | null;
  /** Shows what is seldom needed. */
  more: boolean;
  rpm: number | null;
  tpm: number | null;
  concurrency: number | null;
  networks: string[];
}

/** What is sent: the API says null for "all models". */
export function bodyOf(values: TokenValues) {
  const { name, models, quota, expires_at, rpm, tpm, concurrency, networks } = values;
  return {
    name,
    models: models.length > 0 ? models : null,
    quota: quota === null || quota.trim() === "" ? null : quota.trim(),
    expires_at,
    rpm,
    tpm,
    concurrency,
    networks: networks.map((network) => network.trim()).filter(Boolean),
  };
}

function read(token: Token): TokenValues {
  const { group_id, name, models, quota, expires_at, rpm, tpm, concurrency, networks } = token;
  const more = [rpm, tpm, concurrency].some((limit) => limit !== null) || networks.length > 0;
  const limits = { rpm, tpm, concurrency, networks: [...networks] };
  return { group_id, name, models: [...(models ?? [])], quota, expires_at, more, ...limits };
}

/** Only what was changed: what a group allows may have shrunk, and an expiry may have passed. */
export function changed<T extends object>(before: T, after: T): Partial<T> {
  const known = before as Record<string, unknown>;
  const different = Object.entries(after).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(known[name]),
  );
  return Object.fromEntries(different) as Partial<T>;
}

const more = (values: TokenValues) => values.more;

/** The form of tokens; `made` gets what is new, with its key. */
export function useTokenForm(options: {
  models: Ref<Option[]>;
  /** Where a token may be made. */
  groups: () => Option[];
  group: () => string;
  made: (token: TokenWithKey) => void;
  saved: () => unknown;
}) {
  const fields: FormField<TokenValues>[] = [
    { name: "name", label: "gateway.name", hint: "gateway.token.name_hint", maxlength: 64 },
    {
      name: "group_id",
      label: "gateway.group.one",
      as: "select",
      only: "create",
      options: options.groups,
      when: () => options.groups().length > 1,
    },
    {
      name: "models",
      label: "gateway.token.models",
      hint: "gateway.token.models_hint",
      as: "tags",
      optional: true,
      options: () => options.models.value,
    },
    { name: "quota", label: "gateway.quota", hint: "gateway.token.quota_hint", optional: true },
    {
      name: "expires_at",
      label: "gateway.token.expires",
      hint: "gateway.token.expires_hint",
      as: "moment",
      optional: true,
    },
    { name: "more", label: "gateway.token.more", as: "switch" },
    { name: "rpm", label: "gateway.limit.rpm", as: "number", optional: true, min: 1, when: more },
    { name: "tpm", label: "gateway.limit.tpm", as: "number", optional: true, min: 1, when: more },
    {
      name: "concurrency",
      label: "gateway.limit.concurrency",
      as: "number",
      optional: true,
      min: 1,
      when: more,
    },
    {
      name: "networks",
      label: "gateway.token.networks",
      hint: "gateway.token.networks_hint",
      as: "tags",
      optional: true,
      options: () => [],
      when: more,
    },
  ];
  return useForm<TokenValues, Token>({
    fields,
    empty: () => ({
      group_id: options.group(),
      name: "",
      models: [],
      quota: null,
      expires_at: null,
      more: false,
      rpm: null,
      tpm: null,
      concurrency: null,
      networks: [],
    }),
    read,
    async create(values) {
      const body = { group_id: values.group_id, ...bodyOf(values) };
      options.made(await take(api.POST("/api/v1/gateway/tokens", { body })));
    },
    update: (token, values) =>
      api.PATCH("/api/v1/gateway/tokens/{token_id}", {
        params: { path: { token_id: token.id } },
        body: changed(bodyOf(read(token)), bodyOf(values)),
      }),
    saved: options.saved,
    done: null,
  });
}
