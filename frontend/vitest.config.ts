import { defineConfig, mergeConfig } from "vitest/config";

import base from "./vite.config";

// Beside vite.config.ts: who only builds the pages has no vitest.
export default mergeConfig(
  base,
  defineConfig({
    test: {
      environment: "happy-dom",
      include: ["tests/**/*.test.ts"],
      setupFiles: ["tests/setup.ts"],
      server: { deps: { inline: ["element-plus"] } },
      restoreMocks: true,
      unstubGlobals: true,
    },
  }),
);
