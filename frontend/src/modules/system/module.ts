import { defineModule } from "@/app/module";

const CONSOLE = "/console/system";

/** What the house itself does: mail, so far. */
export const system = defineModule({
  name: "system",
  routes: [
    {
      path: `${CONSOLE}/mail/inbox`,
      name: "mail-inbox",
      component: () => import("./Inbox.vue"),
      meta: { title: "system.inbox.title", needs: "system.inbox:read" },
    },
    {
      path: `${CONSOLE}/mail/outgoing`,
      name: "mail-outgoing",
      component: () => import("./Outgoing.vue"),
      meta: { title: "system.outgoing.title", needs: "system.mail:read" },
    },
  ],
});
