import type { RouteRecordRaw } from "vue-router";

import { defineModule } from "@/app/module";

type Page = () => Promise<unknown>;

function bare(path: string, name: string, title: string, component: Page): RouteRecordRaw {
  return { path, name, component, meta: { face: "bare", title: `sign.${title}.title` } };
}

/** Coming in: the paths are those of the links in our mails. */
export const sign = defineModule({
  name: "sign",
  routes: [
    bare("/sign-in", "sign-in", "in", () => import("./SignIn.vue")),
    bare("/sign-in/oidc", "arrival", "back", () => import("./Arrival.vue")),
    bare("/sign-up", "sign-up", "up", () => import("./SignUp.vue")),
    bare("/setup", "setup", "setup", () => import("./Setup.vue")),
    bare("/verify", "verify", "verify", () => import("./Verify.vue")),
    bare("/forgot-password", "forgot-password", "forgot", () => import("./Forgot.vue")),
    bare("/reset-password", "reset-password", "reset", () => import("./Reset.vue")),
    bare("/confirm-email", "confirm-email", "confirm", () => import("./ConfirmEmail.vue")),
    bare("/keep-email", "keep-email", "keep", () => import("./KeepEmail.vue")),
  ],
});
