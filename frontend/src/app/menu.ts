import { useQuery } from "@tanstack/vue-query";
import { computed } from "vue";
import { type Router, useRouter } from "vue-router";

import { api, take } from "@/api/client";
import type { MenuEntry } from "@/api/contract";
import { activeLanguage, menuTitles } from "@/i18n";

import { useSession } from "./session/store";

/** The console's menu as the server gives it to this person. */
export function useMenu() {
  const session = useSession();
  const router = useRouter();
  const query = useQuery({
    queryKey: ["access", "menu"],
    queryFn: ({ signal }) => take(api.GET("/api/v1/access/menu", { signal })),
    enabled: () => session.status === "active",
    staleTime: 60_000,
  });
  const entries = computed(() => placed(query.data.value ?? [], router));
  return { ...query, entries };
}

/**
 * The entries with the pages' places in this app. A page that this app does not have is left out,
 * and so is a directory with nothing in it: no entry leads nowhere.
 */
export function placed(entries: readonly MenuEntry[], router: Router): MenuEntry[] {
  return entries.flatMap((entry) => {
    const children = placed(entry.children, router);
    if (entry.kind === "directory") return children.length > 0 ? [{ ...entry, children }] : [];
    if (entry.kind === "link") return [{ ...entry, children }];
    if (entry.kind === "button") return []; // what a page offers stands on the page
    const path = `/console${entry.path}`;
    return router.resolve(path).name === "missing" ? [] : [{ ...entry, path, children }];
  });
}

/**
 * An entry's title: an administrator's own, else ours. A link has an administrator's alone, perhaps in
 * another language.
 */
export function menuTitle(entry: Pick<MenuEntry, "name" | "titles">): string {
  const own = entry.titles ?? {};
  const ours = menuTitles()[entry.name];
  return own[activeLanguage.value] ?? ours ?? own["en"] ?? Object.values(own)[0] ?? entry.name;
}

/** Every page and link in a menu, with the titles of what they are in. */
export function flatten(
  entries: readonly MenuEntry[],
  above: readonly string[] = [],
): { entry: MenuEntry; above: readonly string[] }[] {
  return entries.flatMap((entry) => [
    ...(entry.path === "" ? [] : [{ entry, above }]),
    ...flatten(entry.children, [...above, menuTitle(entry)]),
  ]);
}
