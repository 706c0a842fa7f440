import { defineStore } from "pinia";
import { computed, ref, watch } from "vue";

import { activeLanguage, switchLanguage, type Language } from "@/i18n";

import { recall, remember } from "./storage";

export type Theme = "light" | "dark";

/** The reader's language and theme; the same two entries serve the pages beside the app. */
export const usePrefs = defineStore("prefs", () => {
  const root = globalThis.document.documentElement;
  const night = globalThis.matchMedia("(prefers-color-scheme: dark)");
  const system = ref<Theme>(night.matches ? "dark" : "light");
  const chosen = ref<Theme | null>(asTheme(recall("theme")));
  const theme = computed<Theme>(() => chosen.value ?? system.value);
  const language = computed(() => activeLanguage.value);
  const compact = ref(recall("density") === "compact");

  night.addEventListener("change", (event) => {
    system.value = event.matches ? "dark" : "light";
  });

  /** What the system says is no choice of its own: later changes of it are followed again. */
  function setTheme(wanted: Theme): void {
    chosen.value = wanted === system.value ? null : wanted;
    remember("theme", chosen.value);
  }

  async function setLanguage(wanted: Language): Promise<void> {
    remember("language", wanted);
    await switchLanguage(wanted);
  }

  watch(
    chosen,
    (value) => {
      if (value) root.dataset["theme"] = value;
      else delete root.dataset["theme"];
    },
    { immediate: true },
  );
  watch(compact, (value) => remember("density", value ? "compact" : null));

  return { theme, setTheme, language, setLanguage, compact };
});

function asTheme(value: string | null): Theme | null {
  return value === "light" || value === "dark" ? value : null;
}
