import { useQuery } from "@tanstack/vue-query";
import { computed } from "vue";

import { api, take } from "@/api/client";
import { useAccess } from "@/app/access";
import type { Option } from "@/ui/crud/types";

import type { ModulePermissions } from "../types";
import { partsOf, permissionTitle } from "./titles";

/** Every permission there is, by module; for who may not read roles, those they hold themselves. */
export function usePermissions() {
  const access = useAccess();
  const query = useQuery({
    queryKey: ["access", "permissions"],
    queryFn: ({ signal }) => take(api.GET("/api/v1/access/permissions", { signal })),
    enabled: () => access.may("access.roles:read"),
    staleTime: Infinity,
  });
  const modules = computed(() => query.data.value ?? grouped(access.permissions));
  const options = computed<Option[]>(() =>
    modules.value.flatMap(({ permissions }) =>
      permissions.map(({ permission }) => ({
        value: permission,
        label: permissionTitle(permission),
      })),
    ),
  );
  return { modules, options };
}

/** Permissions by their modules. */
export function grouped(permissions: Iterable<string>): ModulePermissions[] {
  const found = new Map<string, ModulePermissions>();
  for (const permission of permissions) {
    const { module } = partsOf(permission);
    const group = found.get(module) ?? { module, permissions: [] };
    group.permissions.push({ permission, member: false });
    found.set(module, group);
  }
  return [...found.values()];
}
