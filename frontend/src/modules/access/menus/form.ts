import { api } from "@/api/client";
import { i18n } from "@/i18n";
import type { FormField, Option } from "@/ui/crud/types";
import { useForm } from "@/ui/crud/useForm";

import type { MenuItem } from "../types";
import { linkOf, overrideOf, TOP, valuesOf, type MenuRow, type MenuValues } from "./entries";

/** Has an entry of a module look so; one that looks as its module says is reset. */
export function dress(item: MenuItem, values: MenuValues) {
  const params = { path: { name: item.name } };
  const body = overrideOf(values, item);
  return body === null
    ? api.DELETE("/api/v1/access/menus/{name}", { params })
    : api.PUT("/api/v1/access/menus/{name}", { params, body });
}

/** Changes an entry, whosever it is. */
export function change(item: MenuItem, values: MenuValues) {
  if (item.link_id === null) return dress(item, values);
  return api.PATCH("/api/v1/access/menus/links/{link_id}", {
    params: { path: { link_id: item.link_id } },
    body: linkOf(values),
  });
}

/** The form of entries: of a module's the clothes, of one's own everything. */
export function useMenuForm(options: {
  directories: () => Option[];
  permissions: () => Option[];
  saved: () => unknown;
}) {
  const { t } = i18n.global;
  const isOwn = (): boolean => form.row?.link_id !== null;
  const fields: FormField<MenuValues>[] = [
    {
      name: "kind",
      label: "access.menu.kind",
      as: "select",
      only: "create",
      options: () =>
        (["link", "directory"] as const).map((value) => ({
          value,
          label: t(`access.menu.kinds.${value}`),
        })),
    },
    { name: "titles", label: "access.menu.titles", hint: "access.menu.titles_hint" },
    {
      name: "url",
      label: "access.menu.url",
      hint: "access.menu.url_hint",
      mono: true,
      maxlength: 2048,
      when: ({ kind }) => isOwn() && kind === "link",
    },
    {
      name: "parent",
      label: "access.menu.parent",
      as: "select",
      options: options.directories,
      when: () => form.row?.kind !== "button",
    },
    { name: "icon", label: "access.menu.icon", optional: true },
    { name: "sort", label: "access.sort", hint: "access.sort_hint", as: "number" },
    {
      name: "needs",
      label: "access.menu.needs",
      hint: "access.menu.needs_hint",
      as: "select",
      optional: true,
      options: options.permissions,
      when: isOwn,
    },
    { name: "hidden", label: "access.menu.hidden", hint: "access.menu.hidden_hint", as: "switch" },
  ];
  const form = useForm<MenuValues, MenuRow>({
    fields,
    empty: () => ({
      kind: "link",
      titles: { en: "", "zh-CN": "", "zh-TW": "" },
      url: "",
      icon: null,
      parent: TOP,
      needs: null,
      sort: 100,
      hidden: false,
    }),
    read: valuesOf,
    create: (values) =>
      api.POST("/api/v1/access/menus/links", { body: { kind: values.kind, ...linkOf(values) } }),
    update: change,
    saved: options.saved,
  });
  return form;
}
