import { recall, remember } from "@/app/storage";

/** Where to go on after a trip to another service that proves who one is. */
export function rememberTrip(path: string): void {
  remember("trip", path);
}

export function recallTrip(): string {
  const path = recall("trip");
  remember("trip", null);
  return path?.startsWith("/account") ? path : "/account/security";
}
