import { useQuery } from "@tanstack/vue-query";

import { api, take } from "@/api/client";

/** Who may come in here, and by which ways. */
export function usePolicy() {
  return useQuery({
    queryKey: ["auth", "policy"],
    queryFn: ({ signal }) => take(api.GET("/api/v1/auth/policy", { signal })),
    staleTime: 60_000,
  });
}
