/**
 * Routes that docs/reference/openapi.json does not describe yet, written by hand. A route that
 * the document has wins over the one here (see {@link Paths}); what remains unused is deleted.
 */

/** An operation in the form that openapi-typescript writes. */
interface Plain<Path, Answer> {
  parameters: { query?: never; header?: never; cookie?: never } & Path;
  requestBody?: never;
  responses: { 200: { content: { "application/json": Answer } } };
}
type Sending<Path, Body, Answer> = Omit<Plain<Path, Answer>, "requestBody"> & {
  requestBody: { content: { "application/json": Body } };
};
interface NoPath {
  path?: never;
}
type Get<Answer> = Plain<NoPath, Answer>;
type Send<Body, Answer = undefined> = Body extends undefined
  ? Plain<NoPath, Answer>
  : Sending<NoPath, Body, Answer>;
type SendTo<Path, Body, Answer = undefined> = Body extends undefined
  ? Plain<{ path: Path }, Answer>
  : Sending<{ path: Path }, Body, Answer>;

export type Registration = "open" | "invitation" | "approval";

export interface Provider {
  id: string;
  name: string;
}

export interface Policy {
  registration: Registration;
  /** Mail can be sent: addresses are verified, passwords can be reset. */
  mail: boolean;
  /** Plain HTTP: the session cookie is in its weaker mode. */
  insecure: boolean;
  passkeys: boolean;
  providers: Provider[];
  /** Signing up and the like ask for a proof of work. */
  challenge: boolean;
  /** Fewest characters of a new password. */
  password_length: number;
  /** There is no administrator yet; the set-up link makes one. */
  setup: boolean;
}

/** A proof of work: find the number whose SHA-256 behind the salt is the challenge. */
export interface Challenge {
  algorithm: string;
  challenge: string;
  salt: string;
  maxnumber: number;
  signature: string;
}

export interface User {
  id: string;
  email: string;
  display_name: string;
  locale: string;
  avatar: string | null;
}

export interface SessionGrant {
  access_token: string;
  /** Seconds. */
  expires_in: number;
  user: User;
}

export type Factor = "totp" | "passkey" | "recovery_code";

/** One more step: a factor to show, or one to set up. */
export interface FactorTicket {
  ticket: string;
  factors: string[];
  /** There is none yet and one is needed: `factors` are what can be set up. */
  set_up: boolean;
}

/** What is asked for takes a mail, or an administrator. */
export interface Asked {
  next: string;
}

/** Recovery codes for who has just got a second factor; null where some are left from before. */
export interface FirstCodes {
  recovery_codes: string[] | null;
}

export interface TotpSecret {
  secret: string;
  uri: string;
}

/** What came of a trip to another service; one of the two is there. */
export interface OidcArrived {
  signed_in: SessionGrant | null;
  factor: FactorTicket | null;
  next: string;
}

export interface PasskeyOptions {
  challenge_id: string;
  /** As PublicKeyCredential.parse…OptionsFromJSON takes them. */
  options: Record<string, unknown>;
}

export interface PasskeyAnswer {
  challenge_id: string;
  credential: Record<string, unknown>;
}

export interface Profile extends User {
  phone: string | null;
  email_verified_at: string | null;
  created_at: string;
  has_password: boolean;
  /** Second factors: `totp`, `passkey`, `recovery_code`. */
  factors: string[];
}

/** With what a person can prove who they are. */
export interface Factors {
  password: boolean;
  totp_since: string | null;
  passkeys: number;
  identities: number;
  recovery_codes_left: number;
  /** The second factors they may be asked for. */
  methods: string[];
  required: boolean;
}

export interface DeviceSession {
  id: string;
  created_at: string;
  used_at: string;
  expires_at: string;
  authenticated_at: string;
  methods: string[];
  address: string;
  /** The browser, as it names itself. */
  agent: string;
  /** Such as `Firefox on Windows`; may be empty. */
  device: string;
  place: string | null;
  current: boolean;
}

export interface Passkey {
  id: string;
  name: string;
  synced: boolean;
  backed_up: boolean;
  transports: string[];
  created_at: string;
  used_at: string | null;
}

export interface Identity {
  id: string;
  provider: string;
  issuer: string;
  label: string;
  created_at: string;
  used_at: string | null;
}

export type Proof =
  | { password: string }
  | { code: string }
  | PasskeyAnswer
  /** The browser has just come back from another service, for this. */
  | { identity: true };

export interface AccessMe {
  permissions: string[];
  scopes: Record<string, unknown>;
  administrator: boolean;
}

export interface MenuEntry {
  name: string;
  kind: "directory" | "page" | "link" | "button";
  /** An administrator's own titles by locale; where there is none, that of the locale files. */
  titles: Record<string, string> | null;
  icon: string;
  /** Of a page: in the console. Of a link: its address. Empty for a directory. */
  path: string;
  children: MenuEntry[];
}

interface SignIn {
  email: string;
  password: string;
  challenge?: string;
}

interface Code {
  ticket: string;
  code: string;
}

/** Every list: a bounded total, 10,001 for "more than 10,000". */
export interface Page<T> {
  items: T[];
  total: number;
  page: number;
  page_size: number;
}

type Entered = SessionGrant | FactorTicket;

interface Proving {
  challenge?: string;
}

export interface ContractPaths {
  "/api/v1/auth/policy": { get: Get<Policy> };
  "/api/v1/auth/challenge": { get: Get<Challenge> };
  "/api/v1/auth/sign-up": {
    post: Send<
      Proving & {
        email: string;
        password: string;
        display_name: string;
        locale: "en" | "zh-CN" | "zh-TW";
        invitation?: string;
      },
      Asked | Entered
    >;
  };
  "/api/v1/auth/verify": { post: Send<{ token: string }, Entered | Asked> };
  "/api/v1/auth/verify/resend": { post: Send<Proving & { email: string }, Asked> };
  "/api/v1/auth/sign-in": { post: Send<SignIn, Entered> };
  "/api/v1/auth/sign-in/totp": { post: Send<Code, SessionGrant> };
  "/api/v1/auth/sign-in/totp/set-up": { post: Send<{ ticket: string }, TotpSecret> };
  "/api/v1/auth/sign-in/totp/confirm": { post: Send<Code, SessionGrant & FirstCodes> };
  "/api/v1/auth/sign-in/recovery-code": { post: Send<Code, SessionGrant> };
  "/api/v1/auth/sign-in/passkey/options": { post: Send<{ ticket: string }, PasskeyOptions> };
  "/api/v1/auth/sign-in/passkey": {
    post: Send<PasskeyAnswer & { ticket: string }, SessionGrant>;
  };
  "/api/v1/auth/sign-in/passkey/set-up": { post: Send<{ ticket: string }, PasskeyOptions> };
  "/api/v1/auth/sign-in/passkey/confirm": {
    post: Send<PasskeyAnswer & { ticket: string; name: string }, SessionGrant & FirstCodes>;
  };
  "/api/v1/auth/passkeys/options": { post: Send<undefined, PasskeyOptions> };
  "/api/v1/auth/passkeys/sign-in": { post: Send<PasskeyAnswer, SessionGrant> };
  "/api/v1/auth/oidc/finish": {
    post: Send<{ locale?: "en" | "zh-CN" | "zh-TW"; invitation?: string }, OidcArrived>;
  };
  "/api/v1/auth/refresh": { post: Send<undefined, SessionGrant> };
  "/api/v1/auth/sign-out": { post: Send<undefined> };
  "/api/v1/auth/password/forgot": { post: Send<Proving & { email: string }> };
  "/api/v1/auth/password/reset": { post: Send<{ token: string; password: string }> };
  "/api/v1/auth/setup": {
    post: Send<
      { token: string; email: string; password: string; display_name: string },
      SessionGrant
    >;
  };
  "/api/v1/auth/email/confirm": { post: Send<{ token: string }> };
  "/api/v1/auth/email/keep": { post: Send<{ token: string }> };

  "/api/v1/account": {
    get: Get<Profile>;
    patch: Send<
      { display_name?: string; phone?: string | null; locale?: "en" | "zh-CN" | "zh-TW" },
      Profile
    >;
    delete: Send<undefined>;
  };
  "/api/v1/account/avatar": { put: Send<Blob, Profile>; delete: Send<undefined> };
  "/api/v1/account/password": { post: Send<{ password: string }> };
  "/api/v1/account/email": { post: Send<{ email: string }> };
  "/api/v1/account/sessions": { get: Get<DeviceSession[]>; delete: Send<undefined> };
  "/api/v1/account/sessions/{session_id}": {
    delete: SendTo<{ session_id: string }, undefined>;
  };
  "/api/v1/account/export": { get: Get<unknown> };
  "/api/v1/account/factors": { get: Get<Factors> };
  "/api/v1/account/reauthenticate": { post: Send<Proof, { until: string }> };
  "/api/v1/account/reauthenticate/options": { post: Send<undefined, PasskeyOptions> };
  "/api/v1/account/totp": { post: Send<undefined, TotpSecret>; delete: Send<undefined> };
  "/api/v1/account/totp/confirm": { post: Send<{ code: string }, FirstCodes> };
  "/api/v1/account/recovery-codes": { post: Send<undefined, { recovery_codes: string[] }> };
  "/api/v1/account/passkeys": {
    get: Get<Passkey[]>;
    post: Send<PasskeyAnswer & { name: string }, { passkey: Passkey } & FirstCodes>;
  };
  "/api/v1/account/passkeys/options": { post: Send<undefined, PasskeyOptions> };
  "/api/v1/account/passkeys/{passkey_id}": {
    patch: SendTo<{ passkey_id: string }, { name: string }, Passkey>;
    delete: SendTo<{ passkey_id: string }, undefined>;
  };
  "/api/v1/account/identities": { get: Get<Identity[]>; post: Send<undefined, Identity> };
  "/api/v1/account/identities/{provider}/start": {
    post: SendTo<
      { provider: string },
      { purpose: "link" | "reauthenticate"; next?: string },
      { url: string }
    >;
  };
  "/api/v1/account/identities/{identity_id}": {
    delete: SendTo<{ identity_id: string }, undefined>;
  };

  "/api/v1/access/me": { get: Get<AccessMe> };
  "/api/v1/access/menu": { get: Get<MenuEntry[]> };
}
