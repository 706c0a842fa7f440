/** What the gateway's API gives and takes, by the names that the pages use. */
import type { components, operations } from "@/api/schema";

type Schemas = components["schemas"];

export type Group = Schemas["GroupRead"];
export type GroupRole = NonNullable<Group["role"]>;
export type Member = Schemas["MemberRead"];
export type Offer = Schemas["OfferRead"];
export type Token = Schemas["TokenRead"];
export type TokenWithKey = Schemas["TokenCreated"];
export type Channel = Schemas["ChannelRead"];
export type ChannelHealth = Schemas["ChannelHealth"];
export type ChannelTest = Schemas["ChannelTestRead"];
export type Price = Schemas["PriceRead"];
export type ServedModel = Schemas["ServedModelRead"];
export type Sums = Schemas["UsageSums"];
export type Usage = Schemas["UsageRead"];
export type Overview = Schemas["OverviewRead"];
export type Top = Schemas["TopRead"];
export type Log = Schemas["LogRead"];

/** Kinds of upstream; the API has another schema of that name, so it is found by its route. */
export type Provider =
  operations["channels.list_providers"]["responses"][200]["content"]["application/json"][number];
export type GroupInvitation =
  operations["teams.list_group_invitations"]["responses"][200]["content"]["application/json"][number];
