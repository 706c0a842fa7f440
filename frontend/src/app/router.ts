import {
  createRouter,
  createWebHistory,
  type RouteLocationNormalized,
  type Router,
} from "vue-router";

import { i18n, needTexts } from "@/i18n";
import { MODULES } from "@/modules";
import { pushToast } from "@/ui/feedback/toasts";

import { useAccess } from "./access";
import { dropFragment, keepFragment, takeFragment } from "./fragments";
import { useSession } from "./session/store";

/** The app's router. `base` is for tests. */
export function makeRouter(history = createWebHistory()): Router {
  const router = createRouter({
    history,
    routes: [
      ...MODULES.flatMap((module) => module.routes),
      {
        path: "/forbidden",
        name: "forbidden",
        component: () => import("@/ui/feedback/ForbiddenPage.vue"),
        meta: { title: "ui.forbidden.title", face: "portal" },
      },
      {
        path: "/:rest(.*)*",
        name: "missing",
        component: () => import("@/ui/feedback/MissingPage.vue"),
        meta: { title: "ui.missing.title", face: "portal" },
      },
    ],
    scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  });

  router.beforeEach(async (to) => {
    const [allowed] = await Promise.all([admit(to), needTexts(...(to.meta.texts ?? []))]);
    return allowed;
  });
  router.afterEach((to) => {
    nameWindow(to);
  });
  // A page's code is not there any more (a new version was installed) or the network is away.
  router.onError((error: unknown, to) => {
    if (isMissingChunk(error) && reloadOnce(to.fullPath)) return;
    pushToast({ kind: "bad", text: i18n.global.t("ui.errors.page") });
  });
  return router;
}

async function admit(to: RouteLocationNormalized) {
  const session = useSession();
  const access = useAccess();
  await session.start(to.meta.signedIn === true);
  if (to.meta.signedIn !== true && to.meta.needs === undefined) return true;
  const [address = "/"] = to.fullPath.split("#", 1);
  if (!session.isSignedIn) {
    keepFragment(to.path, to.hash);
    return { name: "sign-in", query: { next: address }, replace: true };
  }
  if (to.meta.needs !== undefined) {
    await access.ensure();
    // A role may have been given since.
    if (!access.may(to.meta.needs)) await access.load().catch(() => undefined);
    if (!access.may(to.meta.needs)) {
      dropFragment();
      return { name: "forbidden", query: { at: address }, replace: true };
    }
  }
  const hash = to.hash === "" ? takeFragment(to.path) : "";
  return hash === "" || { path: to.path, query: to.query, hash, replace: true };
}

function nameWindow(to: RouteLocationNormalized): void {
  const title = to.meta.title === undefined ? "" : i18n.global.t(to.meta.title);
  globalThis.document.title = title ? `${title} · Paifang` : "Paifang";
}

function isMissingChunk(error: unknown): boolean {
  return error instanceof TypeError && /module/i.test(error.message);
}

const RELOADED = "reloaded";

/** Loads a page from the server, but never twice in a row: it may be missing there as well. */
function reloadOnce(path: string): boolean {
  const state = (globalThis.history.state ?? {}) as Record<string, unknown>;
  if (state[RELOADED] === path) return false;
  globalThis.history.replaceState({ ...state, [RELOADED]: path }, "", path);
  globalThis.location.reload();
  return true;
}

/** Where to go after signing in: a path of ours, never another site. */
export function safeNext(next: unknown): string {
  const path = Array.isArray(next) ? (next[0] as unknown) : next;
  if (typeof path !== "string" || !path.startsWith("/")) return "/";
  try {
    const url = new URL(path, globalThis.location.origin);
    if (url.origin !== globalThis.location.origin) return "/";
    return url.pathname + url.search + url.hash;
  } catch {
    return "/";
  }
}
