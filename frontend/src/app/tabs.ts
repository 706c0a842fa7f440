import { defineStore } from "pinia";
import { ref, watch } from "vue";
import type { RouteLocationNormalized } from "vue-router";

import { recallJson, rememberJson } from "./storage";

/** A page of the console that was opened and not closed. */
export interface Tab {
  /** Without the query: a page has one tab, whatever its filters. */
  path: string;
  fullPath: string;
  /** Key of its title, and the modules whose texts have it. */
  title: string;
  texts: readonly string[];
  /** The name of the one thing it shows, once known. */
  label: string | null;
  pinned: boolean;
  /** Grows when it is closed, so that it opens anew and not as it was left. */
  generation: number;
}

const MOST = 20;

function isTabs(value: unknown): value is Tab[] {
  return (
    Array.isArray(value) &&
    value.every(
      (tab: Partial<Tab> | null) =>
        typeof tab?.path === "string" &&
        tab.path.startsWith("/console") &&
        typeof tab.fullPath === "string" &&
        typeof tab.title === "string" &&
        Array.isArray(tab.texts),
    )
  );
}

/** The console's tabs; they outlive the page. */
export const useTabs = defineStore("tabs", () => {
  const tabs = ref<Tab[]>(recallJson("tabs", isTabs) ?? []);
  const generations = new Map<string, number>();
  watch(tabs, (value) => rememberJson("tabs", value), { deep: true });

  function visit(route: RouteLocationNormalized): void {
    const { path, fullPath } = route;
    const known = tabs.value.find((tab) => tab.path === path);
    if (known) {
      known.fullPath = fullPath;
      return;
    }
    const { title = "", texts = [] } = route.meta;
    const generation = generations.get(path) ?? 0;
    tabs.value.push({ path, fullPath, title, texts, label: null, pinned: false, generation });
    const oldest = tabs.value.findIndex((tab) => !tab.pinned && tab.path !== path);
    if (tabs.value.length > MOST && oldest >= 0) tabs.value.splice(oldest, 1);
  }

  /** Closes a tab; where to go when it was the one that shows. */
  function close(path: string): string | null {
    const index = tabs.value.findIndex((tab) => tab.path === path);
    if (index < 0) return null;
    generations.set(path, (generations.get(path) ?? 0) + 1);
    tabs.value.splice(index, 1);
    const next = tabs.value[index] ?? tabs.value[index - 1];
    return next?.fullPath ?? "/console";
  }

  function closeOthers(path: string): void {
    tabs.value = tabs.value.filter((tab) => tab.pinned || tab.path === path);
  }

  function togglePin(path: string): void {
    const tab = tabs.value.find((entry) => entry.path === path);
    if (!tab) return;
    tab.pinned = !tab.pinned;
    tabs.value.sort((a, b) => Number(b.pinned) - Number(a.pinned));
  }

  /** Names a tab after what its page shows. */
  function name(path: string, label: string | null): void {
    const tab = tabs.value.find((entry) => entry.path === path);
    if (tab) tab.label = label;
  }

  function keyOf(path: string): string {
    return `${path}#${tabs.value.find((tab) => tab.path === path)?.generation ?? 0}`;
  }

  return { tabs, visit, close, closeOthers, togglePin, name, keyOf };
});
