// Runs before anything is drawn: the reader's theme and language, so that neither flashes.
(() => {
  const root = document.documentElement;
  const stored = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // storage is forbidden: the system's choice holds
    }
  };
  const fitting = (tag) => {
    const name = tag.toLowerCase();
    if (/^zh\b/.test(name)) return /hant|tw|hk|mo/.test(name) ? "zh-TW" : "zh-CN";
    return /^en\b/.test(name) ? "en" : null;
  };

  const theme = stored("paifang.theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  const chosen = stored("paifang.language");
  const wished = chosen ? [chosen] : navigator.languages;
  root.lang = wished.map(fitting).find(Boolean) ?? "en";
  if (root.lang !== "en") {
    root.dataset.waiting = "";
    // Should the texts never come, English ones are better than none.
    setTimeout(() => delete root.dataset.waiting, 1500);
  }
})();
