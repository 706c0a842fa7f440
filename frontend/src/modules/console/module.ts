import { defineModule } from "@/app/module";

/** The console's own first page. What else is in the console belongs to the modules. */
export const consoleModule = defineModule({
  name: "console",
  routes: [
    {
      path: "/console",
      name: "console",
      component: () => import("./Directory.vue"),
      meta: { title: "console.title" },
    },
  ],
});
