/** What several parts of the app speak of, by short names. The API's document says what they are. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Asked = Schemas["Asked"];
export type Challenge = Schemas["ChallengeRead"];
export type DeviceSession = Schemas["SessionRead"];
export type Factors = Schemas["FactorsRead"];
/** One more step: a factor to show, or with `set_up` one to set up. */
export type FactorTicket = Schemas["FactorNeeded"];
/** Recovery codes for who has just got a second factor; null where some are left from before. */
export type FirstCodes = Schemas["FirstCodes"];
export type Identity = Schemas["IdentityRead"];
/** An entry of the console's menu, with those in it. */
export type MenuEntry = Schemas["MenuNode"];
export type Passkey = Schemas["PasskeyRead"];
export type Profile = Schemas["ProfileRead"];
export type Proof = Schemas["Proof"];
/** Another service that people may sign in with; the document has several schemas of that name. */
export type Provider = Schemas["Policy"]["providers"][number];
export type SessionGrant = Schemas["SignedIn"];
export type TotpSecret = Schemas["TotpRead"];
export type User = SessionGrant["user"];

/** Every list: a bounded total, 10,001 for "more than 10,000". */
export interface Page<T> {
  items: T[];
  total: number;
  page: number;
  page_size: number;
}
