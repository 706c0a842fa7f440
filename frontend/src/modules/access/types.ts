/** What the API of access gives and takes, by the names that the pages use. */
import type { components } from "@/api/schema";

type Schemas = components["schemas"];

export type Role = Schemas["RoleRead"];
export type DataScope = Schemas["DataScope"];
export type Holder = Schemas["HolderRead"];
export type Department = Schemas["DepartmentNode"];
export type Position = Schemas["PositionRead"];
export type MenuItem = Schemas["MenuRead"];
export type MenuOverride = Schemas["MenuOverride"];
export type Explanation = Schemas["Explanation"];
export type RowScope = Schemas["ScopeRead"];
export type ModulePermissions = Schemas["ModulePermissions"];
