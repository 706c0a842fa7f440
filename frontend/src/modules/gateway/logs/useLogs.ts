import { keepPreviousData, useQuery } from "@tanstack/vue-query";
import { computed, reactive, ref, shallowRef, watch } from "vue";
import { useRoute, useRouter } from "vue-router";

import { api, take } from "@/api/client";
import type { Filter } from "@/ui/crud/types";
import { useActive } from "@/ui/useActive";

import { asQuery } from "./columns";

const PAGE = 50;

/**
 * A page of logs. They have no numbered pages: the next one begins where this one ends, and the way
 * back is remembered. The filters stand in the address.
 */
export function useLogs(options: {
  filters: readonly Filter[];
  fixed: () => Record<string, string>;
  ready: () => boolean;
}) {
  const route = useRoute();
  const router = useRouter();
  const home = route.path;
  const applied = shallowRef<Record<string, string>>({});
  const draft = reactive<Record<string, string>>({});
  const behind = ref<number[]>([]);
  const active = useActive();

  function read(): void {
    const found: Record<string, string> = {};
    for (const { name } of options.filters) {
      const value = route.query[name];
      draft[name] = typeof value === "string" ? value : "";
      if (draft[name] !== "") found[name] = draft[name];
    }
    if (JSON.stringify(found) === JSON.stringify(applied.value)) return;
    applied.value = found;
    behind.value = [];
  }
  read();
  watch(
    () => route.fullPath,
    () => {
      if (route.path === home) read();
    },
  );

  const narrow = computed(() => ({ ...asQuery(applied.value), ...options.fixed() }));
  watch(narrow, (now, before) => {
    if (JSON.stringify(now) !== JSON.stringify(before)) behind.value = [];
  });
  const request = computed(() => ({
    ...narrow.value,
    limit: PAGE,
    ...(behind.value.length > 0 ? { before: behind.value[behind.value.length - 1] } : {}),
  }));
  const result = useQuery({
    queryKey: computed(() => ["gateway", "logs", request.value]),
    queryFn: ({ signal }) =>
      take(api.GET("/api/v1/gateway/logs", { params: { query: request.value as never }, signal })),
    enabled: () => active.value && options.ready(),
    placeholderData: keepPreviousData,
    refetchOnMount: "always",
  });

  function show(filters: Record<string, string>) {
    return router.replace({ path: home, query: filters });
  }

  return {
    draft,
    narrow,
    rows: computed(() => result.data.value?.items ?? []),
    isPending: result.isPending,
    isFetching: result.isFetching,
    error: computed(() => (result.data.value ? null : result.error.value)),
    isFiltered: computed(() => Object.keys(applied.value).length > 0),
    hasNewer: computed(() => behind.value.length > 0),
    hasOlder: computed(() => result.data.value?.next != null),
    refetch: () => result.refetch(),
    search: () =>
      show(
        Object.fromEntries(
          Object.entries(draft)
            .map(([name, value]) => [name, value.trim()] as const)
            .filter(([, value]) => value !== ""),
        ),
      ),
    reset: () => show({}),
    older() {
      const next = result.data.value?.next;
      if (next != null) behind.value = [...behind.value, next];
    },
    newer: () => (behind.value = behind.value.slice(0, -1)),
    newest: () => (behind.value = []),
  };
}
