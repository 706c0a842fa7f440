import { fileURLToPath } from "node:url";

import vue from "@vitejs/plugin-vue";
import ElementPlus from "unplugin-element-plus/vite";
import { defineConfig } from "vite";

const backend = process.env["BACKEND"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  // Adds the sheet of each Element Plus component that is imported; the components themselves
  // are imported by name, so that a page loads what it uses.
  plugins: [
    // An address in a template is one of the server (/static/mark.svg), never a file to bundle.
    vue({ template: { transformAssetUrls: false } }),
    ElementPlus({}),
  ],
  define: {
    // vue-i18n without what nobody here uses.
    __VUE_I18N_LEGACY_API__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
  },
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    outDir: "../paifang/web",
    // paifang/web also holds the API reference's files, which copy-assets.mjs writes.
    emptyOutDir: false,
    assetsDir: "assets",
    manifest: ".vite/manifest.json",
    // Browsers that know light-dark(), <dialog>, popover and navigator.locks: none older.
    target: ["chrome123", "firefox125", "safari17.5"],
    cssTarget: ["chrome123", "firefox125", "safari17.5"],
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1200,
    rolldownOptions: {
      checks: { bundlerTimings: false },
      output: {
        // What every page needs comes in two files instead of forty.
        codeSplitting: {
          groups: [
            {
              name: "vendor",
              test: /node_modules\/(@vue|vue|vue-router|pinia|vue-i18n|@intlify|@tanstack|openapi-fetch)\//,
            },
            { name: "core", test: /src\/(api|app|ui\/(base|feedback|form))\// },
          ],
        },
      },
    },
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/v1", "/static", "/docs", "/redoc", "/openapi.json", "/reference", "/readyz"].map(
        (path) => [path, { target: backend }],
      ),
    ),
  },
});
