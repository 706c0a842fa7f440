import { api, take } from "@/api/client";
import { defineModule } from "@/app/module";

const FOUND = 5;
const CONSOLE = "/console/access";

/** Who may do what: roles, departments, positions, the menu, and why somebody may. */
export const access = defineModule({
  name: "access",
  records: [
    {
      title: "ui.access.roles",
      needs: "access.roles:read",
      async search(text, signal) {
        const params = { query: { search: text, page_size: FOUND } };
        const { items } = await take(api.GET("/api/v1/access/roles", { params, signal }));
        return items.map(({ name, code }) => ({
          title: name,
          detail: code,
          to: `${CONSOLE}/roles?search=${encodeURIComponent(code)}`,
        }));
      },
    },
  ],
  routes: [
    {
      path: `${CONSOLE}/roles`,
      name: "access-roles",
      component: () => import("./roles/Roles.vue"),
      meta: { title: "access.role.many", needs: "access.roles:read" },
    },
    {
      path: `${CONSOLE}/departments`,
      name: "access-departments",
      component: () => import("./departments/Departments.vue"),
      meta: { title: "access.department.many", needs: "access.departments:read" },
    },
    {
      path: `${CONSOLE}/positions`,
      name: "access-positions",
      component: () => import("./Positions.vue"),
      meta: { title: "access.position.many", needs: "access.positions:read" },
    },
    {
      path: `${CONSOLE}/menus`,
      name: "access-menus",
      component: () => import("./menus/Menus.vue"),
      meta: { title: "access.menu.title", needs: "access.menus:read" },
    },
    {
      path: `${CONSOLE}/explain`,
      name: "access-explain",
      component: () => import("./Explain.vue"),
      meta: { title: "access.explain.title", needs: "access.explain:read" },
    },
  ],
});
