import { api, take } from "@/api/client";
import { defineModule } from "@/app/module";

const FOUND = 5;
const CONSOLE = "/console/accounts";

/** Who is here, who is invited, and who may come in. */
export const people = defineModule({
  name: "people",
  records: [
    {
      title: "ui.people",
      needs: "accounts.users:read",
      async search(text, signal) {
        const params = { query: { search: text, page_size: FOUND } };
        const { items } = await take(api.GET("/api/v1/accounts/users", { params, signal }));
        return items.map(({ display_name: name, email }) => ({
          title: name,
          detail: email,
          to: `${CONSOLE}/users?search=${encodeURIComponent(email)}`,
        }));
      },
    },
  ],
  routes: [
    {
      path: `${CONSOLE}/users`,
      name: "people",
      component: () => import("./People.vue"),
      meta: { title: "people.many", needs: "accounts.users:read" },
    },
    {
      path: `${CONSOLE}/invitations`,
      name: "invitations",
      component: () => import("./Invitations.vue"),
      meta: { title: "people.invitation.many", needs: "accounts.invitations:read" },
    },
    {
      path: `${CONSOLE}/settings`,
      name: "newcomers",
      component: () => import("./Newcomers.vue"),
      meta: { title: "people.newcomers.title", needs: "accounts.settings:read" },
    },
  ],
});
