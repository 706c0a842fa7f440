/** Passkeys by the browser's own JSON methods, or by our own reading where it has none. */
import { ApiError } from "@/api/errors";

type Json = Record<string, unknown>;

/** Whether this browser, at this address, knows passkeys: only on localhost or by HTTPS. */
export function canUsePasskeys(): boolean {
  return globalThis.isSecureContext && "PublicKeyCredential" in globalThis;
}

export function fromBase64Url(text: string): ArrayBuffer {
  const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0)).buffer;
}

export function toBase64Url(buffer: ArrayBuffer): string {
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function readList(list: unknown): PublicKeyCredentialDescriptor[] | undefined {
  return (list as (Json & { id: string })[] | undefined)?.map(
    (entry) =>
      ({ ...entry, id: fromBase64Url(entry.id) }) as unknown as PublicKeyCredentialDescriptor,
  );
}

type Class = Partial<typeof PublicKeyCredential>;

export function readCreation(options: Json): PublicKeyCredentialCreationOptions {
  const native = PublicKeyCredential as Class;
  if (native.parseCreationOptionsFromJSON) {
    return native.parseCreationOptionsFromJSON(options as never);
  }
  const user = options["user"] as Json & { id: string };
  const excluded = readList(options["excludeCredentials"]);
  return {
    ...options,
    challenge: fromBase64Url(options["challenge"] as string),
    user: { ...user, id: fromBase64Url(user.id) },
    ...(excluded ? { excludeCredentials: excluded } : {}),
  } as unknown as PublicKeyCredentialCreationOptions;
}

export function readRequest(options: Json): PublicKeyCredentialRequestOptions {
  const native = PublicKeyCredential as Class;
  if (native.parseRequestOptionsFromJSON) {
    return native.parseRequestOptionsFromJSON(options as never);
  }
  const allowed = readList(options["allowCredentials"]);
  return {
    ...options,
    challenge: fromBase64Url(options["challenge"] as string),
    ...(allowed ? { allowCredentials: allowed } : {}),
  };
}

export function writeCredential(credential: PublicKeyCredential): Json {
  if ("toJSON" in credential) {
    try {
      return credential.toJSON() as unknown as Json;
    } catch {
      // Some password managers hand out credentials whose toJSON does not work.
    }
  }
  const response = credential.response as AuthenticatorAssertionResponse &
    AuthenticatorAttestationResponse;
  const parts: Json = { clientDataJSON: toBase64Url(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature"] as const) {
    const part = (response as Partial<typeof response>)[name];
    if (part) parts[name] = toBase64Url(part);
  }
  const owner = (response as Partial<typeof response>).userHandle;
  if (owner) parts["userHandle"] = toBase64Url(owner);
  if ("getTransports" in response) parts["transports"] = response.getTransports();
  return {
    id: credential.id,
    rawId: toBase64Url(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: parts,
  };
}

/** The person closed the browser's dialog, or the device refused: nothing to be told loudly. */
export class PasskeyDeclined extends ApiError {
  constructor(cause: unknown) {
    super(0, "passkey_declined", { cause });
  }
}

async function ask<T>(work: () => Promise<T | null>): Promise<T> {
  let credential: T | null;
  try {
    credential = await work();
  } catch (error) {
    const name = error instanceof Error ? error.name : "";
    if (name === "InvalidStateError") throw new ApiError(0, "passkey_known", { cause: error });
    throw new PasskeyDeclined(error);
  }
  if (credential === null) throw new PasskeyDeclined(null);
  return credential;
}

/** Has the person make a passkey; its JSON for the server. */
export async function createPasskey(options: Json): Promise<Json> {
  const publicKey = readCreation(options);
  const credential = await ask(() => navigator.credentials.create({ publicKey }));
  return writeCredential(credential as PublicKeyCredential);
}

/** Has the person show a passkey; its JSON for the server. */
export async function showPasskey(options: Json): Promise<Json> {
  const publicKey = readRequest(options);
  const credential = await ask(() => navigator.credentials.get({ publicKey }));
  return writeCredential(credential as PublicKeyCredential);
}
