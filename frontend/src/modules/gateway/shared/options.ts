import { useQuery } from "@tanstack/vue-query";
import { computed, type ComputedRef } from "vue";

import { api, take } from "@/api/client";
import { useAccess } from "@/app/access";
import type { Option } from "@/ui/crud/types";

import type { Group } from "../types";

const MOST = 100;

/** What a group is called: a person's own by the person, since it has no other name. */
export function nameOfGroup(group: Pick<Group, "id" | "name" | "kind" | "owner">): string {
  const named = group.name !== "" && group.name !== group.id;
  if (named) return group.name;
  return group.kind === "personal" ? (group.owner ?? group.id) : group.id;
}

/** Groups to choose one of: the first hundred. */
export function useGroupOptions(wanted = true): ComputedRef<Option[]> {
  const access = useAccess();
  const { data } = useQuery({
    queryKey: ["gateway", "group-options"],
    queryFn: ({ signal }) => {
      const params = { query: { page_size: MOST } };
      return take(api.GET("/api/v1/gateway/groups", { params, signal }));
    },
    enabled: () => wanted && access.may("gateway.groups:read"),
    staleTime: 60_000,
  });
  return computed(() =>
    (data.value?.items ?? []).map((group) => ({ value: group.id, label: nameOfGroup(group) })),
  );
}

/** Names of groups by their ids; of one that is not among the first hundred the id itself. */
export function useGroupNames(wanted = true): ComputedRef<(id: string) => string> {
  const options = useGroupOptions(wanted);
  return computed(() => {
    const names = new Map(options.value.map(({ value, label }) => [value, label]));
    return (id) => names.get(id) ?? id;
  });
}

/** Channels to choose one of; none for who may not see them. */
export function useChannelOptions(): ComputedRef<Option[]> {
  const access = useAccess();
  const { data } = useQuery({
    queryKey: ["gateway", "channel-options"],
    queryFn: ({ signal }) => {
      const params = { query: { page_size: MOST, sort: "name" } };
      return take(api.GET("/api/v1/gateway/channels", { params, signal }));
    },
    enabled: () => access.may("gateway.channels:read"),
    staleTime: 60_000,
  });
  return computed(() =>
    (data.value?.items ?? []).map(({ id, name }) => ({ value: id, label: name })),
  );
}
