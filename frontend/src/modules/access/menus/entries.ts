/** The menu for whoever dresses it: entries as a tree, and what of a form is sent. */
import type { Language } from "@/i18n";

import type { MenuItem, MenuOverride } from "../types";

export interface MenuRow extends MenuItem {
  children: MenuRow[];
}

export interface MenuValues {
  kind: "link" | "directory";
  titles: Record<Language, string>;
  url: string;
  icon: string | null;
  parent: string;
  needs: string | null;
  sort: number | null;
  hidden: boolean;
}

/** The top of the menu: a value of its own, since an empty one is none for a field. */
export const TOP = "/";

/** Entries in the directories and pages that they are in, in their order. */
export function treeOf(items: readonly MenuItem[]): MenuRow[] {
  const rows = new Map(items.map((item) => [item.name, { ...item, children: [] as MenuRow[] }]));
  const top: MenuRow[] = [];
  for (const row of rows.values()) (rows.get(row.parent ?? "")?.children ?? top).push(row);
  for (const siblings of [top, ...[...rows.values()].map(({ children }) => children)]) {
    siblings.sort((a, b) => a.sort - b.sort);
  }
  return top;
}

/** Titles that were typed; null when none was. */
export function typedTitles(titles: Record<Language, string>): Record<string, string> | null {
  const typed = Object.entries(titles)
    .map(([language, title]) => [language, title.trim()] as const)
    .filter(([, title]) => title !== "");
  return typed.length > 0 ? Object.fromEntries(typed) : null;
}

export function valuesOf(item: MenuItem): MenuValues {
  const { titles, path, icon, parent, needs, sort, hidden } = item;
  return {
    kind: item.kind === "directory" ? "directory" : "link",
    titles: { en: "", "zh-CN": "", "zh-TW": "", ...titles },
    url: path,
    icon: icon || null,
    parent: parent ?? TOP,
    needs,
    sort,
    hidden,
  };
}

/** How an entry of a module is dressed; null where nothing differs from what its module says. */
export function overrideOf(values: MenuValues, item: MenuItem): MenuOverride | null {
  const usual = item.default;
  const { hidden } = values;
  const titles = typedTitles(values.titles);
  const icon = values.icon === null || values.icon === usual?.icon ? null : values.icon;
  const parent = values.parent === (usual?.parent ?? TOP) ? null : values.parent.replace(TOP, "");
  const sort = values.sort === null || values.sort === usual?.sort ? null : values.sort;
  const same = [titles, icon, parent, sort].every((value) => value === null) && !hidden;
  return same ? null : { titles, icon, parent, sort, hidden };
}

/** What of a link or directory of the owner's own is sent. */
export function linkOf(values: MenuValues) {
  const { kind, url, icon, parent, needs, sort, hidden } = values;
  return {
    titles: typedTitles(values.titles) ?? {},
    url: kind === "link" ? url.trim() : "",
    icon,
    parent: parent === TOP ? "" : parent,
    needs,
    sort: sort ?? 0,
    hidden,
  };
}
