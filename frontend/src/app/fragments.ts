import { recallInTab, rememberInTab } from "./storage";

/**
 * What stands behind the # of a page that wants somebody to sign in first: it may be a secret, and
 * addresses are logged. So it is never a part of `next`; this tab keeps it, also on a trip to
 * another service and back, until the page opens.
 */
const NAME = "fragment";

export function keepFragment(path: string, fragment: string): void {
  rememberInTab(NAME, fragment === "" ? null : path + fragment);
}

/** The fragment that was kept for that path, this once; empty when there is none. */
export function takeFragment(path: string): string {
  const [kept, fragment] = (recallInTab(NAME) ?? "").split(/(?=#)/, 2);
  if (kept !== path || fragment === undefined) return "";
  rememberInTab(NAME, null);
  return fragment;
}
