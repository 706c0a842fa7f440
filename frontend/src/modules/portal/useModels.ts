import { ref } from "vue";

import { listModels } from "./gateway";
import { told, type Told } from "./told";

const TYPING_MS = 400;
/** What can stand in a header. */
const SENDABLE = /^[\x21-\x7e]*$/;

/** The models that the typed token may call, asked for while it is typed. */
export function useModels() {
  const typed = ref("");
  const names = ref<string[]>([]);
  const model = ref("");
  const state = ref<Told | null>(null);
  let asked = ""; // the token whose models are listed, or are being listed
  let listing: Promise<boolean> | null = null;
  let typing: ReturnType<typeof setTimeout> | undefined;

  const key = () => typed.value.trim().replace(/^bearer\s+/i, "");

  function show(found: string[]): void {
    names.value = found;
    if (!found.includes(model.value)) model.value = found[0] ?? "";
  }

  /** True when there is a model to ask. */
  function refresh(): Promise<boolean> {
    clearTimeout(typing);
    if (key() === asked && listing) return listing;
    asked = SENDABLE.test(key()) ? key() : "";
    listing = asked ? listFor(asked) : Promise.resolve(false);
    if (!asked) {
      state.value = key() ? { bad: true, key: "error.not_a_token" } : null;
      show([]);
    }
    return listing;
  }

  async function listFor(wanted: string): Promise<boolean> {
    let found: string[] = [];
    let failure: unknown = null;
    try {
      found = await listModels(wanted);
    } catch (error) {
      failure = error;
    }
    if (wanted !== asked) return false; // another token has been typed meanwhile
    show(found);
    if (found.length === 0) {
      asked = "";
      listing = null; // so that the same token is asked for again
    }
    if (failure) state.value = told(failure);
    else if (found.length === 0) state.value = { bad: true, key: "error.no_models" };
    else state.value = { bad: false, key: "try.models_listed", slots: { count: found.length } };
    return found.length > 0;
  }

  function soon(): void {
    clearTimeout(typing);
    typing = setTimeout(() => void refresh(), TYPING_MS);
  }

  return { typed, key, names, model, state, refresh, soon };
}
