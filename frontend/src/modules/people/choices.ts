import { useQuery } from "@tanstack/vue-query";
import { computed, type ComputedRef } from "vue";
import { useI18n } from "vue-i18n";

import { api, take } from "@/api/client";
import { useAccess } from "@/app/access";
import { LANGUAGES } from "@/i18n";
import { useDepartments as useTree } from "@/modules/access/shared/useDepartments";
import type { Option, TreeNode } from "@/ui/crud/types";

import type { Department } from "./types";

const MOST = 100;
const RARELY_CHANGES = { staleTime: 60_000 };
/** Everybody holds it, so nobody is given it. */
const MEMBER = "member";

export const READ = {
  roles: "access.roles:read",
  departments: "access.departments:read",
  positions: "access.positions:read",
  groups: "gateway.groups:read",
  models: "gateway.prices:read",
} as const;

/** What is off can still be held, so it is among the choices and says so. */
function useNamed() {
  const { t } = useI18n();
  return ({ name, status }: { name: string; status: string }) =>
    status === "enabled" ? name : t("people.off", { name });
}

/** Roles that can be given; none for who may not see them. */
export function useRoles(): ComputedRef<Option[]> {
  const access = useAccess();
  const named = useNamed();
  const { data } = useQuery({
    queryKey: ["people", "roles"],
    queryFn: ({ signal }) =>
      take(api.GET("/api/v1/access/roles", { params: { query: { page_size: MOST } }, signal })),
    enabled: () => access.may(READ.roles),
    ...RARELY_CHANGES,
  });
  return computed(() =>
    (data.value?.items ?? [])
      .filter(({ code }) => code !== MEMBER)
      .map((role) => ({ value: role.id, label: named(role) })),
  );
}

export function usePositions(): ComputedRef<Option[]> {
  const access = useAccess();
  const named = useNamed();
  const { data } = useQuery({
    queryKey: ["people", "positions"],
    queryFn: ({ signal }) =>
      take(api.GET("/api/v1/access/positions", { params: { query: { page_size: MOST } }, signal })),
    enabled: () => access.may(READ.positions),
    ...RARELY_CHANGES,
  });
  return computed(() =>
    (data.value?.items ?? []).map((position) => ({ value: position.id, label: named(position) })),
  );
}

/** A tree as a list in its order, each with how deep it is. */
export function unfold(
  tree: readonly Department[],
  depth = 0,
): { department: Department; depth: number }[] {
  return tree.flatMap((department) => [
    { department, depth },
    ...unfold(department.children, depth + 1),
  ]);
}

/** The departments that the caller sees: as a tree for a form, as a list for a filter, by id. */
export function useDepartments() {
  const named = useNamed();
  const { tree } = useTree();
  const nodesOf = (among: readonly Department[]): TreeNode[] =>
    among.map((department) => ({
      value: department.id,
      label: named(department),
      children: nodesOf(department.children),
    }));
  const list = computed(() => unfold(tree.value));
  const names = computed(() => new Map(list.value.map(({ department: d }) => [d.id, d.name])));
  return {
    nodes: computed(() => nodesOf(tree.value)),
    options: computed<Option[]>(() =>
      list.value.map(({ department, depth }) => ({
        value: department.id,
        label: "\u3000".repeat(depth) + named(department),
      })),
    ),
    nameOf: (id: string | null) => (id === null ? null : (names.value.get(id) ?? null)),
  };
}

/** Groups of the gateway that somebody can be put into. */
export function useTeams(): ComputedRef<Option[]> {
  const access = useAccess();
  const { data } = useQuery({
    queryKey: ["people", "groups"],
    queryFn: async ({ signal }) => {
      const query = { page_size: MOST };
      return take(api.GET("/api/v1/gateway/groups", { params: { query }, signal }));
    },
    enabled: () => access.may(READ.groups),
    ...RARELY_CHANGES,
  });
  return computed(() =>
    (data.value?.items ?? [])
      .filter(({ kind }) => kind !== "personal") // a person's own has one member
      .map(({ id, name }) => ({ value: id, label: name || id })),
  );
}

/** Models that can be allowed, by name. */
export function useModels(): ComputedRef<Option[]> {
  const access = useAccess();
  const { data } = useQuery({
    queryKey: ["people", "models"],
    queryFn: ({ signal }) => {
      const query = { page_size: MOST, sort: "model" };
      return take(api.GET("/api/v1/gateway/models", { params: { query }, signal }));
    },
    enabled: () => access.may(READ.models),
    ...RARELY_CHANGES,
  });
  return computed(() =>
    (data.value?.items ?? []).map(({ model }) => ({ value: model, label: model })),
  );
}

export const languages = (): Option[] =>
  Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }));
