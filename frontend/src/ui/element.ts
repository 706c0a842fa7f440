import english from "element-plus/es/locale/lang/en.mjs";
import { shallowRef, watch } from "vue";

import { activeLanguage, type Language } from "@/i18n";

/** Element Plus's own texts (pages, dates). Without them its English ones are used. */
type Pack = typeof english;

const packs: Record<Language, () => Promise<{ default: Pack }>> = {
  // Element Plus imports it itself, so it is there.
  en: () => Promise.resolve({ default: english }),
  "zh-CN": () => import("element-plus/es/locale/lang/zh-cn.mjs"),
  "zh-TW": () => import("element-plus/es/locale/lang/zh-tw.mjs"),
};

export const elementLocale = shallowRef<Pack>();
let following = false;

/** Loads Element Plus's texts and follows the language. Whoever uses its dates or pages calls it. */
export function needElementTexts(): void {
  if (following) return;
  following = true;
  watch(
    activeLanguage,
    async (language) => {
      elementLocale.value = (await packs[language]()).default;
    },
    { immediate: true },
  );
}
