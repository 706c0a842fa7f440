import { useQuery, useQueryClient } from "@tanstack/vue-query";

import { api, take } from "@/api/client";
import type { Profile } from "@/api/contract";
import { useSession } from "@/app/session/store";

const KEY = ["account", "profile"];

/** My own profile, and what to do when it has changed. */
export function useProfile() {
  const client = useQueryClient();
  const session = useSession();
  const query = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => take(api.GET("/api/v1/account", { signal })),
  });

  /** Takes a changed profile into the page and its bar. */
  function changed(profile: Profile): void {
    client.setQueryData(KEY, profile);
    const { id, email, display_name, locale, avatar } = profile;
    session.rename({ id, email, display_name, locale, avatar });
  }

  async function reload(): Promise<void> {
    await client.invalidateQueries({ queryKey: ["account"] });
  }

  return { ...query, changed, reload };
}
