import { defineModule } from "@/app/module";

export const sign = defineModule({
  name: "sign",
  routes: [
    {
      path: "/sign-in",
      name: "sign-in",
      component: () => import("./SignIn.vue"),
      meta: { face: "bare", title: "sign.in.title" },
    },
  ],
});
