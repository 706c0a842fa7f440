import { api } from "@/api/client";
import { i18n } from "@/i18n";
import type { RowAction } from "@/ui/crud/types";

import type { Channel } from "../types";

const WRITE = "gateway.channels:write";
const path = (channel: Channel) => ({ params: { path: { channel_id: channel.id } } });

function setStatus(channel: Channel, status: "enabled" | "disabled") {
  const body = { status };
  return api.PATCH("/api/v1/gateway/channels/{channel_id}", { ...path(channel), body });
}

/** What can be done with a channel; `test` opens the test. */
export function channelActions(test: (channel: Channel) => void): RowAction<Channel>[] {
  const { t } = i18n.global;
  return [
    { name: "test", title: "gateway.channel.test", icon: "check", needs: WRITE, run: test },
    {
      name: "enable",
      title: "gateway.enable",
      icon: "play",
      needs: WRITE,
      done: "gateway.enabled",
      when: ({ status }) => status === "disabled",
      run: (channel) => setStatus(channel, "enabled"),
    },
    {
      name: "disable",
      title: "gateway.disable",
      icon: "pause",
      needs: WRITE,
      done: "gateway.disabled",
      when: ({ status }) => status === "enabled",
      run: (channel) => setStatus(channel, "disabled"),
    },
    {
      name: "remove",
      title: "gateway.remove",
      icon: "remove",
      danger: true,
      needs: WRITE,
      done: "gateway.removed",
      confirm: ({ name }) => ({
        title: t("gateway.channel.remove_title", { name }),
        text: t("gateway.channel.remove_text"),
        action: t("gateway.remove"),
        danger: true,
      }),
      run: (channel) => api.DELETE("/api/v1/gateway/channels/{channel_id}", path(channel)),
    },
  ];
}
