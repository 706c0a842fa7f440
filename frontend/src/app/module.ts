import type { Component } from "vue";
import type { RouteRecordRaw } from "vue-router";

/** What a route says about itself beside its path. */
declare module "vue-router" {
  interface RouteMeta {
    /** Key of the page's title, in breadcrumbs, tabs and the window's title. */
    title?: string;
    /** Where it shows: in the portal's frame, the console's, or a bare one (signing in). */
    face?: "portal" | "console" | "bare";
    /** Whether somebody must be signed in. The console always asks for it. */
    signedIn?: boolean;
    /** Permissions without which the page is not shown. */
    needs?: string | readonly string[];
    /** Modules whose texts it needs; set by {@link defineModule}. */
    texts?: readonly string[];
    /** Title of the page above it and its path, for breadcrumbs. */
    parent?: { title: string; path: string };
  }
}

/** A link in the portal's bar. */
export interface PortalLink {
  title: string;
  to: string;
  /** Shown only to those who hold it; without it, to everybody who is signed in. */
  needs?: string | readonly string[];
  /** Shown to strangers too. */
  open?: boolean;
}

/** What a module shows on the portal's home to who is signed in: a <section> with its heading. */
export interface HomeSection {
  name: string;
  needs?: string;
  component: Component;
}

export interface FoundRecord {
  title: string;
  detail?: string;
  to: string;
}

/** Where Ctrl K looks for records. */
export interface RecordSource {
  /** Key of what they are called: "Users". */
  title: string;
  needs: string;
  search(text: string, signal: AbortSignal): Promise<FoundRecord[]>;
}

/** A folder in `modules/`: its pages, and what the shells show of it. */
export interface WebModule {
  /** The folder's name, and the first part of its texts' keys. */
  name: string;
  routes: RouteRecordRaw[];
  portal?: readonly PortalLink[];
  home?: readonly HomeSection[];
  records?: readonly RecordSource[];
}

/** Declares a module: its texts are loaded with each of its pages. */
export function defineModule(module: WebModule): WebModule {
  const routes = module.routes.map((route) => ({
    ...route,
    meta: {
      face: "portal" as const,
      ...(route.path.startsWith("/console") ? { face: "console" as const, signedIn: true } : {}),
      ...route.meta,
      texts: [module.name, ...(route.meta?.texts ?? [])],
    },
  }));
  return { ...module, routes: routes };
}
