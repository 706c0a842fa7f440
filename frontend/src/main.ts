import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/element.css";

import { VueQueryPlugin } from "@tanstack/vue-query";
import { createPinia } from "pinia";
import { createApp } from "vue";

import { connect } from "./api/client";
import { asApiError } from "./api/errors";
import App from "./app/App.vue";
import { useAccess, vCan } from "./app/access";
import { makeQueryClient } from "./app/query";
import { makeRouter } from "./app/router";
import { useSession } from "./app/session/store";
import { showModules } from "./app/shell";
import { i18n, initialLanguage, switchLanguage } from "./i18n";
import { MODULES } from "./modules";
import { explain } from "./ui/feedback/explain";
import { pushToast } from "./ui/feedback/toasts";
import { askWhoItIs } from "./ui/sign/reauth";

const queryClient = makeQueryClient();
const app = createApp(App)
  .use(createPinia())
  .use(i18n)
  .use(VueQueryPlugin, { queryClient })
  .directive("can", vCan);

const session = useSession();
const access = useAccess();
connect({
  token: () => session.token(),
  renew: (refused) => session.renew(refused),
  reauthenticate: askWhoItIs,
  forbidden: () => access.refetch(),
});

/** What no page has dealt with is at least told. */
function report(error: unknown): void {
  if (error instanceof Error && error.name === "AbortError") return;
  if (asApiError(error)?.code === "session_ended") return;
  pushToast({ kind: "bad", ...explain(error) });
  // eslint-disable-next-line no-console -- a mistake of ours belongs into the console, whole
  if (!asApiError(error)) console.error(error);
}
app.config.errorHandler = report;
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  report(event.reason);
});

showModules(MODULES);
await switchLanguage(initialLanguage());
delete globalThis.document.documentElement.dataset["waiting"];
const router = makeRouter();
app.use(router);
await router.isReady().catch(report);
app.mount("#app");
