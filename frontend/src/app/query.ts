import { QueryClient } from "@tanstack/vue-query";

import { asApiError } from "@/api/errors";

const MOST_RETRIES = 2;

/** Server state. A refusal is an answer; only what was not reached or failed is asked for again. */
export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 10_000,
        retry(count, error) {
          const status = asApiError(error)?.status ?? 0;
          return count < MOST_RETRIES && (status === 0 || status >= 500);
        },
        refetchOnWindowFocus: true,
      },
      mutations: { retry: false },
    },
  });
}
