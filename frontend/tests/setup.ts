import { createPinia, setActivePinia } from "pinia";
import { beforeEach, vi } from "vitest";

import { dropToast, toasts } from "@/ui/feedback/toasts";

beforeEach(() => {
  setActivePinia(createPinia());
  localStorage.clear();
  for (const toast of [...toasts]) dropToast(toast.id);
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => undefined }));
});
