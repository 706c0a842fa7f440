import { recallInTab, rememberInTab } from "@/app/storage";

/** The invitation of somebody who makes their account by another service: this tab keeps it. */
const NAME = "invitation";

export function carryInvitation(token: string): void {
  rememberInTab(NAME, token === "" ? null : token);
}

/** The invitation that was carried, as the call that finishes the trip takes it. */
export function carriedInvitation(): { invitation?: string } {
  const token = recallInTab(NAME);
  return token === null ? {} : { invitation: token };
}
