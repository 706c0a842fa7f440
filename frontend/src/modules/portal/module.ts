import { defineModule } from "@/app/module";

export const portal = defineModule({
  name: "portal",
  routes: [
    {
      path: "/",
      name: "home",
      component: () => import("./Home.vue"),
      meta: { title: "portal.home.title" },
    },
    {
      path: "/start",
      name: "start",
      component: () => import("./Start.vue"),
      meta: { title: "portal.start.title" },
    },
  ],
});
