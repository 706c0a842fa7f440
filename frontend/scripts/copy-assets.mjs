// Copies what the API reference pages need into the Python package, so that they work without
// a network. The files are the packages' own builds, but for one address.
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const target = join(root, "..", "paifang", "web", "reference");
const files = [
  ["swagger-ui-dist/swagger-ui-bundle.js", "swagger-ui-bundle.js"],
  ["swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt", "swagger-ui-bundle.js.LICENSE.txt"],
  ["swagger-ui-dist/swagger-ui.css", "swagger-ui.css"],
  ["swagger-ui-dist/LICENSE", "swagger-ui.LICENSE"],
  ["swagger-ui-dist/NOTICE", "swagger-ui.NOTICE"],
  ["redoc/bundles/redoc.standalone.js", "redoc.standalone.js"],
  ["redoc/bundles/redoc.standalone.js.LICENSE.txt", "redoc.standalone.js.LICENSE.txt"],
  ["redoc/LICENSE", "redoc.LICENSE"],
];

// The app's own files have a hash in their name: those of the last build would pile up.
await rm(join(target, "..", "assets"), { recursive: true, force: true });
await mkdir(target, { recursive: true });
for (const [from, to] of files) {
  await copyFile(join(root, "node_modules", from), join(target, to));
}

// Redoc fetches a logo from its maker's server. An address that can't be loaded makes it leave
// the picture out; the link beside it stays.
const redoc = join(target, "redoc.standalone.js");
const parts = (await readFile(redoc, "utf8")).split('"https://cdn.redoc.ly/redoc/logo-mini.svg"');
if (parts.length !== 2) {
  throw new Error("Redoc has changed how it loads its logo: look at copy-assets.mjs");
}
await writeFile(redoc, parts.join('"data:,"'));

// What the app has a page for; the server answers 404 to the rest, with the app's own page for it.
await copyFile(join(root, "src", "app", "places.json"), join(target, "..", "places.json"));

console.log(`${files.length} files copied to paifang/web/reference`);
