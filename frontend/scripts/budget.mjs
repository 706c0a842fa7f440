// Measures what a first visit loads, compressed, and fails above the budget.
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BUDGET_KB = { script: 150, style: 30 };
const web = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "paifang", "web");

// The chunks that each first page needs beside the entry. In another language its texts are others.
const PAGES = {
  "/": ["src/modules/portal/Home.vue", "src/modules/portal/locales/zh-TW.json"],
  "/sign-in": [
    "src/modules/sign/SignIn.vue",
    "src/ui/shell/BareShell.vue",
    "src/modules/sign/locales/zh-TW.json",
  ],
};
const EVERYWHERE = ["index.html", "src/i18n/locales/zh-TW.json"];

const manifest = JSON.parse(await readFile(join(web, ".vite", "manifest.json"), "utf8"));

function collect(name, found = new Set()) {
  const chunk = manifest[name];
  if (!chunk) throw new Error(`budget: no chunk ${name}; is scripts/budget.mjs out of date?`);
  if (found.has(chunk.file)) return found;
  found.add(chunk.file);
  for (const sheet of chunk.css ?? []) found.add(sheet);
  for (const other of chunk.imports ?? []) collect(other, found);
  return found;
}

let over = false;
for (const [page, chunks] of Object.entries(PAGES)) {
  const files = new Set();
  for (const name of [...EVERYWHERE, ...chunks]) collect(name, files);
  const size = { script: 0, style: 0 };
  for (const file of files) {
    const kind = file.endsWith(".css") ? "style" : "script";
    size[kind] += gzipSync(await readFile(join(web, file)), { level: 6 }).length / 1000;
  }
  for (const [kind, limit] of Object.entries(BUDGET_KB)) {
    over ||= size[kind] > limit;
  }
  const told = Object.entries(size).map(
    ([kind, kb]) => `${kind} ${kb.toFixed(1)} of ${BUDGET_KB[kind]} kB`,
  );
  console.log(`budget: first load of ${page}: ${told.join(", ")} (${files.size} files)`);
}
if (over) {
  console.error("budget: a first page loads too much; load what it does not need at once lazily");
  process.exit(1);
}
