// The texts of the pages in three languages, and the switches for language and theme.
import { strings } from "./strings.js";

const root = document.documentElement;
const night = matchMedia("(prefers-color-scheme: dark)");
const slotsOf = new WeakMap();
const themeListeners = [];

/** Calls back with true for night, now and whenever it changes. */
export function onTheme(listener) {
  themeListeners.push(listener);
  listener(isNight());
}

/** The text of a key in the reader's language. */
export function text(key) {
  return strings[key][root.lang] ?? strings[key].en;
}

function render(element) {
  if (!slotsOf.has(element)) {
    const children = element.querySelectorAll(":scope > [data-slot]");
    slotsOf.set(element, Object.fromEntries([...children].map((c) => [c.dataset.slot, c])));
  }
  const slots = slotsOf.get(element);
  const parts = text(element.dataset.i18n).split(/\{(\w+)\}/);
  element.replaceChildren(...parts.map((part, index) => (index % 2 ? slots[part] : part)));
}

function translate() {
  document.querySelectorAll("[data-i18n]").forEach(render);
  for (const element of document.querySelectorAll("[data-i18n-label]")) {
    element.setAttribute("aria-label", text(element.dataset.i18nLabel));
    if (element.matches("button")) element.title = text(element.dataset.i18nLabel);
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === root.lang));
  }
  delete root.dataset.waiting;
}

function isNight() {
  return root.dataset.theme ? root.dataset.theme === "dark" : night.matches;
}

function showTheme() {
  document.querySelector(".theme")?.setAttribute("aria-pressed", String(isNight()));
  themeListeners.forEach((listener) => listener(isNight()));
}

function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Storage is forbidden: the choice lasts as long as the page.
  }
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    root.lang = button.dataset.language;
    keep("paifang.language", root.lang);
    translate();
  });
}

document.querySelector(".theme")?.addEventListener("click", () => {
  const wanted = isNight() ? "light" : "dark";
  // Back to what the system says is no choice of its own: later changes are followed again.
  if ((wanted === "dark") === night.matches) {
    delete root.dataset.theme;
    keep("paifang.theme", null);
  } else {
    root.dataset.theme = wanted;
    keep("paifang.theme", wanted);
  }
  showTheme();
});

night.addEventListener("change", showTheme);
document.querySelectorAll(".switches").forEach((element) => (element.hidden = false));
translate();
showTheme();
