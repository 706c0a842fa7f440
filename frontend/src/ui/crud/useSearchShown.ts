import { ref, watch } from "vue";

import { recall, remember } from "@/app/storage";

const NARROW = "(max-width: 720px)";

/**
 * Whether a list's filters are shown; remembered. On a phone they would fill the first screen, so
 * there they come when they are asked for, or when they are in use.
 */
export function useSearchShown(isFiltered: () => boolean) {
  const usual = !globalThis.matchMedia(NARROW).matches;
  const kept = recall("search");
  const shown = ref(kept === null ? usual || isFiltered() : kept === "shown");
  // A link or another part of the page may filter the list: one has to see why it is short.
  watch(isFiltered, (now) => {
    if (now) shown.value = true;
  });

  function toggle(): void {
    shown.value = !shown.value;
    const said = shown.value ? "shown" : "hidden";
    remember("search", shown.value === usual ? null : said);
  }

  return { searchShown: shown, toggleSearch: toggle };
}
