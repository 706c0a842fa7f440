/** What a browser remembers for its reader. Storage may be forbidden: then nothing is remembered. */

const PREFIX = "paifang.";

/** The remembered text of that name, or null. */
export function recall(name: string): string | null {
  try {
    return globalThis.localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Remembers a text; null forgets it. */
export function remember(name: string, value: string | null): void {
  try {
    if (value === null) globalThis.localStorage.removeItem(PREFIX + name);
    else globalThis.localStorage.setItem(PREFIX + name, value);
  } catch {
    // Forbidden or full: the choice lasts as long as the page.
  }
}

/** What this tab alone keeps, until it is closed: no other tab, no address and no disk has it. */
export function recallInTab(name: string): string | null {
  try {
    return globalThis.sessionStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Keeps a text for this tab; null forgets it. */
export function rememberInTab(name: string, value: string | null): void {
  try {
    if (value === null) globalThis.sessionStorage.removeItem(PREFIX + name);
    else globalThis.sessionStorage.setItem(PREFIX + name, value);
  } catch {
    // Forbidden: whoever has a link opens it once more.
  }
}

/** The remembered value of that name when `fits` accepts it, else null. */
export function recallJson<T>(name: string, fits: (value: unknown) => value is T): T | null {
  const text = recall(name);
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return fits(value) ? value : null;
  } catch {
    return null;
  }
}

/** Remembers a value as JSON. */
export function rememberJson(name: string, value: unknown): void {
  remember(name, JSON.stringify(value));
}

/** Whether the browser lets us remember anything. */
export function canRemember(): boolean {
  try {
    globalThis.localStorage.setItem(`${PREFIX}probe`, "");
    globalThis.localStorage.removeItem(`${PREFIX}probe`);
    return true;
  } catch {
    return false;
  }
}
