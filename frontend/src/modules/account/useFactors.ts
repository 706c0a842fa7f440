import { useQuery } from "@tanstack/vue-query";

import { api, take } from "@/api/client";

/** With what I can prove who I am, and what is asked of me. */
export function useFactors() {
  return useQuery({
    queryKey: ["account", "factors"],
    queryFn: ({ signal }) => take(api.GET("/api/v1/account/factors", { signal })),
  });
}
