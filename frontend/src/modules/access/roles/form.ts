import { api, take } from "@/api/client";
import type { FormField, TreeNode } from "@/ui/crud/types";
import { useForm } from "@/ui/crud/useForm";

import { scopeOptions } from "../shared/titles";
import type { DataScope, Role } from "../types";

export interface RoleValues {
  name: string;
  code: string;
  description: string | null;
  data_scope: DataScope;
  department_ids: string[];
  permissions: string[];
  sort: number | null;
  /** Of a built-in role the scope and the place stay. */
  built_in: boolean;
}

export function valuesOf(role: Role): RoleValues {
  const { name, code, description, data_scope, department_ids, permissions, sort, built_in } = role;
  return {
    name,
    code,
    description,
    data_scope,
    department_ids: [...department_ids],
    permissions: [...permissions],
    sort,
    built_in,
  };
}

const free = ({ built_in }: RoleValues) => !built_in;

/** What of a role is sent beside its permissions. */
export function bodyOf(values: RoleValues) {
  const { name, description, data_scope, department_ids, sort } = values;
  const told = { name, description: description ?? "" };
  if (values.built_in) return told;
  return {
    ...told,
    data_scope,
    department_ids: data_scope === "chosen" ? department_ids : [],
    sort: sort ?? 0,
  };
}

/** The form of roles: what they grant, and for which rows. */
export function useRoleForm(options: { departments: () => TreeNode[]; saved: () => unknown }) {
  const fields: FormField<RoleValues>[] = [
    { name: "name", label: "access.name", maxlength: 64 },
    {
      name: "code",
      label: "access.code",
      hint: "access.code_hint",
      mono: true,
      only: "create",
      maxlength: 64,
    },
    {
      name: "description",
      label: "access.description",
      as: "textarea",
      optional: true,
      maxlength: 255,
    },
    {
      name: "data_scope",
      label: "access.role.scope",
      hint: "access.role.scope_hint",
      as: "select",
      options: scopeOptions,
      when: free,
    },
    {
      name: "department_ids",
      label: "access.department.many",
      hint: "access.role.chosen_hint",
      as: "tree",
      multiple: true,
      nodes: options.departments,
      when: (values) => free(values) && values.data_scope === "chosen",
    },
    { name: "permissions", label: "access.permission.many" },
    {
      name: "sort",
      label: "access.sort",
      hint: "access.sort_hint",
      as: "number",
      when: free,
    },
  ];
  return useForm<RoleValues, Role>({
    fields,
    empty: () => ({
      name: "",
      code: "",
      description: null,
      data_scope: "self",
      department_ids: [],
      permissions: [],
      sort: 0,
      built_in: false,
    }),
    read: valuesOf,
    create: (values) =>
      take(
        api.POST("/api/v1/access/roles", {
          body: {
            data_scope: "self",
            department_ids: [],
            sort: 0,
            ...bodyOf(values),
            code: values.code.trim(),
            status: "enabled",
            permissions: values.permissions,
          },
        }),
      ),
    async update(role, values) {
      const params = { path: { role_id: role.id } };
      await api.PATCH("/api/v1/access/roles/{role_id}", { params, body: bodyOf(values) });
      const before = [...role.permissions].sort().join();
      if ([...values.permissions].sort().join() === before) return role;
      return take(
        api.PUT("/api/v1/access/roles/{role_id}/permissions", {
          params,
          body: { permissions: values.permissions },
        }),
      );
    },
    saved: options.saved,
    failed: options.saved, // what the list shows may have changed
  });
}
