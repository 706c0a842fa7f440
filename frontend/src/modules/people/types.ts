import type { components } from "@/api/schema";

export type Person = components["schemas"]["UserRead"];
export type Device = components["schemas"]["DeviceRead"];
export type Invitation =
  components["schemas"]["paifang__modules__accounts__invitations__schemas__InvitationRead"];
export type Department = components["schemas"]["DepartmentNode"];
export type Newcomers = components["schemas"]["NewcomersSettings"];
export type Rule = components["schemas"]["SecondFactorRule"]["rule"];
export type Locale = "en" | "zh-CN" | "zh-TW";

export interface State {
  kind: "ok" | "warn" | "bad" | "off";
  /** Key of its word. */
  key: string;
}
