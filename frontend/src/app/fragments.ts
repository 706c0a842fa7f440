import { recallInTab, rememberInTab } from "./storage";

/**
 * What stands behind the # of a page that wants somebody to sign in first: it may be a secret, and
 * addresses are logged. So it is never a part of `next`; this tab keeps it, also on a trip to
 * another service and back, until the page opens.
 */
const NAME = "fragment";
const KEPT_MS = 30 * 60_000;

export function keepFragment(path: string, fragment: string): void {
  rememberInTab(NAME, fragment === "" ? null : `${Date.now()} ${path}${fragment}`);
}

/** Nobody is to find it: its reader has left, or may not open the page. */
export function dropFragment(): void {
  rememberInTab(NAME, null);
}

/** The fragment that was kept for that path, this once; empty when there is none, or an old one. */
export function takeFragment(path: string): string {
  const [, at = "", kept = ""] = /^(\d+) (.*)$/s.exec(recallInTab(NAME) ?? "") ?? [];
  const cut = kept.indexOf("#");
  if (cut < 0 || kept.slice(0, cut) !== path) return "";
  dropFragment();
  return Date.now() - Number(at) > KEPT_MS ? "" : kept.slice(cut);
}
