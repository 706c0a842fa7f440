import { useQuery } from "@tanstack/vue-query";
import { computed } from "vue";

import { api, take } from "@/api/client";

const FOREVER = Infinity;

/** Where models are called, and in which currency they are metered. */
export function useEndpoint() {
  const query = useQuery({
    queryKey: ["gateway", "endpoint"],
    queryFn: ({ signal }) => take(api.GET("/api/v1/gateway/endpoint", { signal })),
    staleTime: FOREVER,
  });
  const baseUrl = computed(() => query.data.value?.base_url ?? `${location.origin}/v1`);
  const currency = computed(() => query.data.value?.currency ?? null);
  return { ...query, baseUrl, currency };
}

const MOST = 100;

/** Names of the models that the caller may call, for choosing among them. */
export function useModelNames() {
  const query = useQuery({
    queryKey: ["gateway", "models", "names"],
    queryFn: async ({ signal }) => {
      const params = { query: { page_size: MOST, sort: "model" } };
      return take(api.GET("/api/v1/gateway/models", { params, signal }));
    },
    staleTime: 60_000,
  });
  const names = computed(() => (query.data.value?.items ?? []).map((served) => served.model));
  const options = computed(() => names.value.map((name) => ({ value: name, label: name })));
  return { ...query, names, options };
}
