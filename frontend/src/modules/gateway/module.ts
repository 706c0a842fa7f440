import { api, take } from "@/api/client";
import { defineModule } from "@/app/module";

const FOUND = 5;
const CONSOLE = "/console/gateway";

/** What lies between who calls and what answers: tokens, models, usage, logs, teams. */
export const gateway = defineModule({
  name: "gateway",
  portal: [
    { title: "ui.gateway.tokens", to: "/tokens", needs: "gateway.tokens:read" },
    { title: "ui.gateway.models", to: "/models", needs: "gateway.prices:read" },
    { title: "ui.gateway.usage", to: "/usage", needs: "gateway.usage:read" },
    { title: "ui.gateway.logs", to: "/logs", needs: "gateway.logs:read" },
    { title: "ui.gateway.teams", to: "/teams", needs: "gateway.groups:read" },
  ],
  records: [
    {
      title: "ui.gateway.groups",
      needs: "gateway.groups:read",
      async search(text, signal) {
        const params = { query: { search: text, page_size: FOUND } };
        const { items } = await take(api.GET("/api/v1/gateway/groups", { params, signal }));
        return items.map(({ id, name }) => ({
          title: name,
          detail: name === id ? "" : id,
          to: `${CONSOLE}/groups/${encodeURIComponent(id)}`,
        }));
      },
    },
    {
      title: "ui.gateway.tokens",
      needs: "gateway.tokens:read",
      async search(text, signal) {
        const params = { query: { search: text, page_size: FOUND } };
        const { items } = await take(api.GET("/api/v1/gateway/tokens", { params, signal }));
        return items.map(({ name, group_id: group }) => ({
          title: name,
          detail: group,
          to: `${CONSOLE}/tokens?search=${encodeURIComponent(name)}&group_id=${encodeURIComponent(group)}`,
        }));
      },
    },
    {
      title: "ui.gateway.channels",
      needs: "gateway.channels:read",
      async search(text, signal) {
        const params = { query: { search: text, page_size: FOUND } };
        const { items } = await take(api.GET("/api/v1/gateway/channels", { params, signal }));
        return items.map(({ name, provider }) => ({
          title: name,
          detail: provider,
          to: `${CONSOLE}/channels?search=${encodeURIComponent(name)}`,
        }));
      },
    },
  ],
  routes: [
    {
      path: "/tokens",
      name: "tokens",
      component: () => import("./portal/Tokens.vue"),
      meta: { title: "gateway.token.mine", signedIn: true, needs: "gateway.tokens:read" },
    },
    {
      path: "/models",
      name: "models",
      component: () => import("./portal/Models.vue"),
      meta: { title: "gateway.model.mine", signedIn: true, needs: "gateway.prices:read" },
    },
    {
      path: "/usage",
      name: "usage",
      component: () => import("./portal/Usage.vue"),
      meta: { title: "gateway.usage.mine", signedIn: true, needs: "gateway.usage:read" },
    },
    {
      path: "/logs",
      name: "logs",
      component: () => import("./portal/Logs.vue"),
      meta: { title: "gateway.log.mine", signedIn: true, needs: "gateway.logs:read" },
    },
    {
      path: "/teams",
      name: "teams",
      component: () => import("./portal/Teams.vue"),
      meta: { title: "gateway.team.many", signedIn: true, needs: "gateway.groups:read" },
    },
    {
      path: "/teams/:id",
      name: "team",
      component: () => import("./portal/Team.vue"),
      meta: { title: "gateway.team.one", signedIn: true, needs: "gateway.groups:read" },
    },
    {
      path: "/join",
      name: "join",
      component: () => import("./portal/Join.vue"),
      meta: { title: "gateway.team.invitation", signedIn: true, needs: "gateway.groups:read" },
    },
    {
      path: `${CONSOLE}/overview`,
      name: "console-overview",
      component: () => import("./console/Overview.vue"),
      meta: { title: "gateway.overview.title", needs: "gateway.usage:read" },
    },
    {
      path: `${CONSOLE}/groups`,
      name: "console-groups",
      component: () => import("./console/Groups.vue"),
      meta: { title: "gateway.group.many", needs: "gateway.groups:read" },
    },
    {
      path: `${CONSOLE}/groups/:id`,
      name: "console-group",
      component: () => import("./console/Group.vue"),
      meta: {
        title: "gateway.group.one",
        needs: "gateway.groups:read",
        parent: { title: "gateway.group.many", path: `${CONSOLE}/groups` },
      },
    },
    {
      path: `${CONSOLE}/tokens`,
      name: "console-tokens",
      component: () => import("./console/Tokens.vue"),
      meta: { title: "gateway.token.many", needs: "gateway.tokens:read" },
    },
    {
      path: `${CONSOLE}/channels`,
      name: "console-channels",
      component: () => import("./console/Channels.vue"),
      meta: { title: "gateway.channel.many", needs: "gateway.channels:read" },
    },
    {
      path: `${CONSOLE}/models`,
      name: "console-models",
      component: () => import("./console/Models.vue"),
      meta: { title: "gateway.model.many", needs: "gateway.prices:read" },
    },
    {
      path: `${CONSOLE}/logs`,
      name: "console-logs",
      component: () => import("./console/Logs.vue"),
      meta: { title: "gateway.log.many", needs: "gateway.logs:read" },
    },
  ],
});
