import { useQuery } from "@tanstack/vue-query";
import { computed, ref } from "vue";
import { useRoute } from "vue-router";

import { api, take } from "@/api/client";
import { useAccess } from "@/app/access";
import { recall, remember } from "@/app/storage";

import type { Group } from "../types";

const MOST = 100;
const chosen = ref(recall("group") ?? "");

async function own(signal: AbortSignal, mayMake: boolean): Promise<Group[]> {
  const query = { page_size: MOST, sort: "created_at", mine: true };
  const { items: mine } = await take(
    api.GET("/api/v1/gateway/groups", { params: { query }, signal }),
  );
  const hasPersonal = mine.some((group) => group.kind === "personal");
  // A person's own group is made when it is first needed: here.
  if (hasPersonal || !mayMake) return mine;
  return [await take(api.PUT("/api/v1/gateway/groups/personal", { signal })), ...mine];
}

/** The groups that the signed-in person is in: their personal one first. */
export function useOwnGroups() {
  const access = useAccess();
  const query = useQuery({
    queryKey: ["gateway", "own-groups"],
    queryFn: ({ signal }) => own(signal, access.may("gateway.tokens:write")),
    staleTime: 60_000,
  });
  const groups = computed(() =>
    [...(query.data.value ?? [])].sort(
      (a, b) => Number(b.kind === "personal") - Number(a.kind === "personal"),
    ),
  );
  return { ...query, groups };
}

/** The group whose tokens, usage and logs the portal shows; remembered. */
export function useChosenGroup() {
  const route = useRoute();
  const own = useOwnGroups();
  const asked = route.query["group"];
  if (typeof asked === "string" && asked !== "") choose(asked);
  const group = computed(
    () => own.groups.value.find((one) => one.id === chosen.value) ?? own.groups.value[0] ?? null,
  );
  const groupId = computed(() => group.value?.id ?? "");
  return { ...own, group, groupId, choose };
}

function choose(id: string): void {
  chosen.value = id;
  remember("group", id);
}

/** Whether somebody of this role sees everything in the group, and not their own part alone. */
export function seesAll(group: Group | null): boolean {
  return group?.role !== "member";
}
