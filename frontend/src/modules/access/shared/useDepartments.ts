import { useQuery } from "@tanstack/vue-query";
import { computed } from "vue";

import { api, take } from "@/api/client";
import { useAccess } from "@/app/access";
import type { TreeNode } from "@/ui/crud/types";

import type { Department } from "../types";

export const DEPARTMENTS = ["access", "departments"] as const;

/** The departments that the caller may see, to choose among and to name. */
export function useDepartments() {
  const access = useAccess();
  const query = useQuery({
    queryKey: DEPARTMENTS,
    queryFn: ({ signal }) => take(api.GET("/api/v1/access/departments", { signal })),
    enabled: () => access.may("access.departments:read"),
    staleTime: 60_000,
  });
  const tree = computed(() => query.data.value ?? []);
  const names = computed(() => new Map(flat(tree.value).map(({ id, name }) => [id, name])));
  return { tree, nameOf: (id: string) => names.value.get(id) ?? id };
}

function flat(tree: readonly Department[]): Department[] {
  return tree.flatMap((one) => [one, ...flat(one.children)]);
}

/** As a field takes them; without one department and all below it, which can't be below itself. */
export function nodesOf(tree: readonly Department[], without?: string): TreeNode[] {
  return tree
    .filter(({ id }) => id !== without)
    .map(({ id, name, children }) => ({
      value: id,
      label: name,
      children: nodesOf(children, without),
    }));
}
