/**
 * Texts in three languages. `locales/*.json` here is what every page needs; each module has its own
 * `locales/*.json`, loaded with its first page and found under the module's name.
 */
import { ref, type Ref } from "vue";
import { createI18n } from "vue-i18n";

export const LANGUAGES = { en: "English", "zh-CN": "简体中文", "zh-TW": "繁體中文" } as const;
export type Language = keyof typeof LANGUAGES;
type Texts = Record<string, unknown>;
type Loader = () => Promise<{ default: Texts }>;

const common = import.meta.glob<{ default: Texts }>("./locales/*.json");
const ofModules = import.meta.glob<{ default: Texts }>("../modules/*/locales/*.json");

export const i18n = createI18n({
  legacy: false,
  locale: "en",
  // Every language is complete (a test looks): falling back would only hide a mistake.
  fallbackLocale: false as unknown as string,
  messages: {},
});

export const activeLanguage = ref<Language>("en");
const wanted = new Set<string>();
const loaded = new Map<string, Promise<void>>();

/** The language of the page as prefs.js has found it: chosen, else the browser's, else English. */
export function initialLanguage(): Language {
  const tag = globalThis.document.documentElement.lang;
  return tag in LANGUAGES ? (tag as Language) : "en";
}

/** Titles of the menu's entries by their dotted names, which are no paths among the texts. */
export function menuTitles(): Record<string, string> {
  const texts: { menu?: unknown } = i18n.global.getLocaleMessage(activeLanguage.value);
  return (texts.menu ?? {}) as Record<string, string>;
}

function fetchTexts(language: Language, module: string): Promise<void> {
  const key = `${module} ${language}`;
  const known = loaded.get(key);
  if (known) return known;
  const load: Loader | undefined =
    module === ""
      ? common[`./locales/${language}.json`]
      : ofModules[`../modules/${module}/locales/${language}.json`];
  if (!load) return Promise.resolve();
  const promise = load().then(({ default: texts }) => {
    i18n.global.mergeLocaleMessage(language, module === "" ? texts : { [module]: texts });
  });
  promise.catch(() => loaded.delete(key)); // the next page tries again
  loaded.set(key, promise);
  return promise;
}

/** Makes a module's texts available, now and after a change of language. */
export async function needTexts(...modules: string[]): Promise<void> {
  for (const name of modules) wanted.add(name);
  await Promise.all(modules.map((name) => fetchTexts(activeLanguage.value, name)));
}

/** Shows everything in that language, once its texts are here. */
export async function switchLanguage(language: Language): Promise<void> {
  await Promise.all(["", ...wanted].map((name) => fetchTexts(language, name)));
  activeLanguage.value = language;
  (i18n.global.locale as unknown as Ref<string>).value = language;
  globalThis.document.documentElement.lang = language;
}
