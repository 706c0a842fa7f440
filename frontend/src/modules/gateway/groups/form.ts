import type { Ref } from "vue";

import { api, take } from "@/api/client";
import { i18n } from "@/i18n";
import { statusOptions } from "@/ui/crud/status";
import type { FormField, Option } from "@/ui/crud/types";
import { useForm } from "@/ui/crud/useForm";

import type { Group } from "../types";

export interface GroupValues {
  name: string;
  id: string | null;
  kind: "team" | "service";
  status: Group["status"];
  /** Whether it may call some models only; an empty list of them then allows nothing. */
  narrowed: boolean;
  models: string[];
  quota: string | null;
  rpm: number | null;
  tpm: number | null;
  concurrency: number | null;
  unpriced: Group["unpriced"];
}

function limitsOf(values: GroupValues) {
  const { status, narrowed, models, quota, rpm, tpm, concurrency, unpriced } = values;
  return {
    status,
    models: narrowed ? models : null,
    quota: quota === null || quota.trim() === "" ? null : quota.trim(),
    rpm,
    tpm,
    concurrency,
    unpriced,
  };
}

function read(group: Group): GroupValues {
  const { name, id, kind, status, models, quota, rpm, tpm, concurrency, unpriced } = group;
  return {
    name,
    id,
    kind: kind === "team" ? "team" : "service",
    status,
    narrowed: models !== null,
    models: [...(models ?? [])],
    quota,
    rpm,
    tpm,
    concurrency,
    unpriced,
  };
}

function choices(key: string, values: readonly string[]): () => Option[] {
  return () => values.map((value) => ({ value, label: i18n.global.t(`gateway.${key}.${value}`) }));
}

/** The form of groups: who they are, what they may call and spend. */
export function useGroupForm(options: { models: Ref<Option[]>; saved: () => unknown }) {
  const fields: FormField<GroupValues>[] = [
    { name: "name", label: "gateway.name", maxlength: 64 },
    {
      name: "id",
      label: "gateway.group.id",
      hint: "gateway.group.id_hint",
      optional: true,
      mono: true,
      only: "create",
      maxlength: 64,
    },
    {
      name: "kind",
      label: "gateway.group.kind",
      as: "select",
      only: "create",
      options: choices("group.kinds", ["service", "team"]),
    },
    { name: "quota", label: "gateway.quota", hint: "gateway.group.quota_hint", optional: true },
    { name: "narrowed", label: "gateway.group.narrowed", as: "switch" },
    {
      name: "models",
      label: "gateway.token.models",
      hint: "gateway.group.models_hint",
      as: "tags",
      optional: true,
      options: () => options.models.value,
      when: (values) => values.narrowed,
    },
    { name: "rpm", label: "gateway.limit.rpm", as: "number", optional: true, min: 1 },
    { name: "tpm", label: "gateway.limit.tpm", as: "number", optional: true, min: 1 },
    {
      name: "concurrency",
      label: "gateway.limit.concurrency",
      as: "number",
      optional: true,
      min: 1,
    },
    {
      name: "unpriced",
      label: "gateway.group.unpriced",
      hint: "gateway.group.unpriced_hint",
      as: "select",
      options: choices("group.unpriced_choices", ["allow", "block"]),
    },
    {
      name: "status",
      label: "ui.state",
      as: "select",
      options: statusOptions,
    },
  ];
  return useForm<GroupValues, Group>({
    fields,
    empty: () => ({
      name: "",
      id: null,
      kind: "service",
      status: "enabled",
      narrowed: false,
      models: [],
      quota: null,
      rpm: null,
      tpm: null,
      concurrency: null,
      unpriced: "allow",
    }),
    read,
    create: (values) => {
      const { name, kind } = values;
      const typed = values.id?.trim() ?? "";
      const id = typed === "" ? null : typed;
      const body = { name, kind, id, ...limitsOf(values) };
      return take(api.POST("/api/v1/gateway/groups", { body }));
    },
    update: (group, values) =>
      take(
        api.PATCH("/api/v1/gateway/groups/{group_id}", {
          params: { path: { group_id: group.id } },
          body: { name: values.name, ...limitsOf(values) },
        }),
      ),
    saved: options.saved,
  });
}
