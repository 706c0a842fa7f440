import { defineModule } from "@/app/module";

export const account = defineModule({
  name: "account",
  routes: [
    {
      path: "/account",
      component: () => import("./Frame.vue"),
      meta: { signedIn: true, title: "account.title" },
      children: [
        {
          path: "",
          name: "account",
          component: () => import("./Profile.vue"),
          meta: { title: "account.profile.title" },
        },
        {
          path: "security",
          name: "account-security",
          component: () => import("./Security.vue"),
          meta: { title: "account.security.title" },
        },
        {
          path: "sessions",
          name: "account-sessions",
          component: () => import("./Sessions.vue"),
          meta: { title: "account.sessions.title" },
        },
        {
          path: "data",
          name: "account-data",
          component: () => import("./YourData.vue"),
          meta: { title: "account.data.title" },
        },
      ],
    },
  ],
});
