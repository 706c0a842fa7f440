import { useQuery } from "@tanstack/vue-query";
import { computed } from "vue";

import { api, take } from "@/api/client";
import type { MenuEntry } from "@/api/contract";
import { activeLanguage, menuTitles } from "@/i18n";

import { useSession } from "./session/store";

/** The console's menu as the server gives it to this person. */
export function useMenu() {
  const session = useSession();
  const query = useQuery({
    queryKey: ["access", "menu"],
    queryFn: ({ signal }) => take(api.GET("/api/v1/access/menu", { signal })),
    enabled: () => session.status === "active",
    staleTime: 60_000,
  });
  const entries = computed(() => withoutButtons(query.data.value ?? []));
  return { ...query, entries };
}

/** What a page offers stands on the page, not in the menu. */
function withoutButtons(entries: readonly MenuEntry[]): MenuEntry[] {
  return entries
    .filter((entry) => entry.kind !== "button")
    .map((entry) => ({ ...entry, children: withoutButtons(entry.children) }));
}

/** An entry's title: an administrator's own, else ours, else its name. */
export function menuTitle(entry: Pick<MenuEntry, "name" | "titles">): string {
  return entry.titles?.[activeLanguage.value] ?? menuTitles()[entry.name] ?? entry.name;
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
