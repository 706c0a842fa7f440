import { ref, shallowRef } from "vue";

import { asApiError } from "@/api/errors";
import { explainField } from "@/ui/feedback/explain";

/**
 * A small form by hand: sends once at a time, keeps the server's complaints by field, and the rest as
 * an error above the form. `send` resolves to true when it went well.
 */
export function useSubmit<A extends unknown[]>(
  work: (...args: A) => Promise<unknown>,
  fields: readonly string[] = [],
) {
  const busy = ref(false);
  const error = shallowRef<unknown>(null);
  const errors = ref<Record<string, string>>({});

  async function send(...args: A): Promise<boolean> {
    if (busy.value) return false;
    busy.value = true;
    error.value = null;
    errors.value = {};
    try {
      await work(...args);
      return true;
    } catch (failure) {
      const found: Record<string, string> = {};
      for (const wrong of asApiError(failure)?.errors ?? []) {
        if (fields.includes(wrong.field)) found[wrong.field] ??= explainField(wrong);
      }
      errors.value = found;
      if (Object.keys(found).length === 0) error.value = failure;
      return false;
    } finally {
      busy.value = false;
    }
  }

  return { busy, error, errors, send };
}
