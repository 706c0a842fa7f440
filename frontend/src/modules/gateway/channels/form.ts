import { computed, watch, type Ref } from "vue";

import { api, take } from "@/api/client";
import { i18n } from "@/i18n";
import type { FormField } from "@/ui/crud/types";
import { useForm } from "@/ui/crud/useForm";

import type { Channel, Provider } from "../types";

export interface ChannelValues {
  provider: string;
  name: string;
  base_url: string;
  /** Only what is typed now: a stored one is never shown. */
  credential: string;
  models: string[];
  model_mapping: Record<string, string>;
  priority: number | null;
  weight: number | null;
  more: boolean;
  connect_timeout: number | null;
  first_byte_timeout: number | null;
  idle_timeout: number | null;
}

const USUAL = { connect_timeout: 5, first_byte_timeout: 120, idle_timeout: 60 };

/** What is sent; a credential only when one was typed. */
export function bodyOf(values: ChannelValues) {
  const { provider, name, models, model_mapping, credential } = values;
  const typed = credential.trim();
  return {
    provider,
    name,
    base_url: values.base_url.trim(),
    models,
    model_mapping: Object.fromEntries(
      Object.entries(model_mapping).filter(([ours, theirs]) => theirs !== "" && theirs !== ours),
    ),
    priority: values.priority ?? 0,
    weight: values.weight ?? 1,
    connect_timeout: values.connect_timeout ?? USUAL.connect_timeout,
    first_byte_timeout: values.first_byte_timeout ?? USUAL.first_byte_timeout,
    idle_timeout: values.idle_timeout ?? USUAL.idle_timeout,
    ...(typed === "" ? {} : { credential: typed }),
  };
}

function read(channel: Channel): ChannelValues {
  const { provider, name, base_url, models, model_mapping, priority, weight } = channel;
  const { connect_timeout, first_byte_timeout, idle_timeout } = channel;
  return {
    provider,
    name,
    base_url,
    credential: "",
    models: [...models],
    model_mapping: { ...model_mapping },
    priority,
    weight,
    more: false,
    connect_timeout,
    first_byte_timeout,
    idle_timeout,
  };
}

const more = (values: ChannelValues) => values.more;
const CHOSEN = (values: ChannelValues) => values.provider !== "";

/** The form of channels. A provider fills in what is known of it. */
export function useChannelForm(options: {
  providers: Ref<Provider[]>;
  saved: (made: unknown) => unknown;
}) {
  const fields: FormField<ChannelValues>[] = [
    {
      name: "provider",
      label: "gateway.channel.provider",
      as: "select",
      options: () => options.providers.value.map(({ id, label }) => ({ value: id, label })),
    },
    { name: "name", label: "gateway.name", maxlength: 64, when: CHOSEN },
    {
      name: "base_url",
      label: "gateway.channel.base_url",
      optional: true,
      mono: true,
      maxlength: 512,
      when: CHOSEN,
    },
    { name: "credential", label: "gateway.channel.credential", optional: true, when: CHOSEN },
    { name: "models", label: "gateway.channel.models", as: "tags", optional: true, when: CHOSEN },
    {
      name: "model_mapping",
      label: "gateway.channel.mapping",
      hint: "gateway.channel.mapping_hint",
      optional: true,
      when: (values) => values.models.length > 0,
    },
    {
      name: "priority",
      label: "gateway.channel.priority",
      hint: "gateway.channel.priority_hint",
      as: "number",
      when: CHOSEN,
    },
    {
      name: "weight",
      label: "gateway.channel.weight",
      hint: "gateway.channel.weight_hint",
      as: "number",
      min: 1,
      when: CHOSEN,
    },
    { name: "more", label: "gateway.channel.timeouts", as: "switch", when: CHOSEN },
    {
      name: "connect_timeout",
      label: "gateway.channel.connect_timeout",
      as: "number",
      when: more,
    },
    {
      name: "first_byte_timeout",
      label: "gateway.channel.first_byte_timeout",
      as: "number",
      when: more,
    },
    { name: "idle_timeout", label: "gateway.channel.idle_timeout", as: "number", when: more },
  ];
  const form = useForm<ChannelValues, Channel>({
    fields,
    empty: () => ({
      provider: "",
      name: "",
      base_url: "",
      credential: "",
      models: [],
      model_mapping: {},
      priority: 0,
      weight: 1,
      more: false,
      ...USUAL,
    }),
    read,
    create: (values) =>
      take(
        api.POST("/api/v1/gateway/channels", {
          body: { ...bodyOf(values), status: "enabled" as const },
        }),
      ),
    update: (channel, values) =>
      take(
        api.PATCH("/api/v1/gateway/channels/{channel_id}", {
          params: { path: { channel_id: channel.id } },
          body: bodyOf(values),
        }),
      ),
    saved: options.saved,
  });
  const provider = computed(
    () => options.providers.value.find(({ id }) => id === form.values.provider) ?? null,
  );
  // What was not typed by hand follows the provider.
  watch(provider, (now, before) => {
    if (!now || !form.isOpen || form.mode === "update") return;
    const { values } = form;
    if (values.name === "" || values.name === before?.label) values.name = now.label;
    if (values.base_url === "" || values.base_url === before?.base_url)
      values.base_url = now.base_url;
  });
  return { form, provider };
}

/** How a channel stands: switched off, failing, or well. */
export function channelState(channel: Channel): {
  kind: "ok" | "warn" | "bad" | "off";
  text: string;
} {
  const { t } = i18n.global;
  if (channel.status === "disabled") return { kind: "off", text: t("ui.statuses.disabled") };
  if (channel.test_error !== null) return { kind: "bad", text: t("gateway.channel.failing") };
  if (channel.models.length === 0) return { kind: "warn", text: t("gateway.channel.no_models") };
  return { kind: "ok", text: t("ui.statuses.enabled") };
}
