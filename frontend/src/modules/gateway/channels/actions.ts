import { api } from "@/api/client";
import { i18n } from "@/i18n";
import { removeAction, statusActions } from "@/ui/crud/status";
import type { RowAction } from "@/ui/crud/types";

import type { Channel } from "../types";

const WRITE = "gateway.channels:write";
const path = (channel: Channel) => ({ params: { path: { channel_id: channel.id } } });

/** What can be done with a channel; `test` opens the test. */
export function channelActions(test: (channel: Channel) => void): RowAction<Channel>[] {
  const { t } = i18n.global;
  return [
    { name: "test", title: "gateway.channel.test", icon: "check", needs: WRITE, run: test },
    ...statusActions<Channel>({
      needs: WRITE,
      set: (channel, status) =>
        api.PATCH("/api/v1/gateway/channels/{channel_id}", { ...path(channel), body: { status } }),
    }),
    removeAction({
      needs: WRITE,
      ask: ({ name }) => ({
        title: t("gateway.channel.remove_title", { name }),
        text: t("gateway.channel.remove_text"),
      }),
      run: (channel) => api.DELETE("/api/v1/gateway/channels/{channel_id}", path(channel)),
    }),
  ];
}
