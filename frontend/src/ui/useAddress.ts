import { computed, ref, watch, type WritableComputedRef } from "vue";
import { useRoute, useRouter } from "vue-router";

/** A choice that stands in the page's address, so that it can be sent on and survives a reload. */
export function useAddress<T extends string>(
  name: string,
  fallback: T,
  allowed?: readonly T[],
): WritableComputedRef<T> {
  const route = useRoute();
  const router = useRouter();
  const home = route.path;

  function read(): T {
    const value = route.query[name];
    if (typeof value !== "string" || value === "") return fallback;
    return allowed === undefined || allowed.includes(value as T) ? (value as T) : fallback;
  }

  const value = ref(read()) as { value: T };
  watch(
    () => route.fullPath,
    () => {
      // Another tab of the console has an address of its own.
      if (route.path === home) value.value = read();
    },
  );

  return computed({
    get: () => value.value,
    set(next) {
      if (next === value.value) return;
      value.value = next;
      const rest = Object.entries(route.query).filter(([key]) => key !== name);
      const query = Object.fromEntries(next === fallback ? rest : [...rest, [name, next]]);
      void router.replace({ path: home, query });
    },
  });
}
