import { useRoute } from "vue-router";

/**
 * The secret of a link that came by mail: it stands behind the #, which no server sees. It is taken
 * out of the address at once, so that it is neither shown nor kept in the history.
 */
export function useLinkToken(name = "token"): string | null {
  const route = useRoute();
  const token = new URLSearchParams(route.hash.replace(/^#/, "")).get(name);
  if (token !== null) {
    const state: unknown = globalThis.history.state;
    globalThis.history.replaceState(state, "", route.path);
  }
  return token;
}
