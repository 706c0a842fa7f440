/** Texts: three complete languages, no key missing or left over, no words outside of them. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";

import { baseCompile } from "@intlify/message-compiler";
import { describe, expect, test } from "vitest";
import { parse as parseSfc } from "vue/compiler-sfc";

const SRC = join(import.meta.dirname, "..", "src");
const LANGUAGES = ["en", "zh-CN", "zh-TW"] as const;
type Language = (typeof LANGUAGES)[number];

const FILES = readdirSync(SRC, { recursive: true, encoding: "utf8" }).map((name) =>
  join(SRC, name),
);

function flatten(value: unknown, path: string, found: Map<string, string>): Map<string, string> {
  if (typeof value === "string") found.set(path, value);
  else {
    for (const [key, inner] of Object.entries(value as object)) {
      flatten(inner, path ? `${path}.${key}` : key, found);
    }
  }
  return found;
}

/** Every text by its whole key. */
function load(language: Language): Map<string, string> {
  const all = new Map<string, string>();
  for (const file of FILES.filter((name) =>
    name.endsWith(join(sep, "locales", `${language}.json`)),
  )) {
    const owner = basename(dirname(dirname(file)));
    const texts: unknown = JSON.parse(readFileSync(file, "utf8"));
    flatten(texts, owner === "i18n" ? "" : owner, all);
  }
  return all;
}

const texts = Object.fromEntries(LANGUAGES.map((each) => [each, load(each)])) as Record<
  Language,
  Map<string, string>
>;
const english = texts.en;
const keys = [...english.keys()].filter((key) => !key.startsWith("menu."));
// What is generated of the API has no texts, and names of operations that look like keys.
const sources = FILES.filter(
  (name) => /\.(ts|vue)$/.test(name) && !name.endsWith("schema.d.ts"),
).map((file) => ({
  file: file.slice(SRC.length + 1),
  text: readFileSync(file, "utf8"),
}));

/** First parts of keys: "ui", and each module with texts. */
const ROOTS = [...new Set(keys.map((key) => key.split(".")[0] ?? ""))];
const WHOLE = new RegExp(`["'\`]((?:${ROOTS.join("|")})(?:\\.[a-z0-9_]+)+)["'\`]`, "g");
/** Keys that are put together: `ui.copy.${state}`. */
const MADE = new RegExp(`\`((?:${ROOTS.join("|")})\\.[^\`]*\\$\\{[^\`]*)\``, "g");

function usedKeys(): { whole: Map<string, string>; made: RegExp[] } {
  const whole = new Map<string, string>();
  const made: RegExp[] = [];
  for (const { file, text } of sources) {
    for (const [, key] of text.matchAll(WHOLE)) whole.set(key ?? "", file);
    for (const [, pattern] of text.matchAll(MADE)) {
      const parts = (pattern ?? "").split(/\$\{[^}]*\}/).map((part) => part.replace(/\./g, "\\."));
      made.push(new RegExp(`^${parts.join("[a-z0-9_.]+")}$`));
    }
  }
  return { whole, made };
}
const used = usedKeys();
/** Codes of the server; `explain` looks them up. */
const LOOKED_UP = "ui.errors.";

test("each language has the same texts, and none is empty", () => {
  for (const language of LANGUAGES) {
    expect([...texts[language].keys()].sort()).toEqual([...english.keys()].sort());
    for (const [key, text] of texts[language]) expect(text.trim(), key).toBe(text);
    expect([...texts[language].values()]).not.toContain("");
  }
});

test("no key stands twice in one object: the first would say nothing", () => {
  for (const file of FILES.filter((name) => /locales\W[\w-]+\.json$/.test(name))) {
    const text = readFileSync(file, "utf8");
    const again = JSON.stringify(JSON.parse(text), null, 2);
    expect(text.trim().split("\n").length, file).toBe(again.split("\n").length);
  }
});

test("every key that is used has a text", () => {
  const missing = [...used.whole].filter(([key]) => {
    const group = [...english.keys()].some((known) => known.startsWith(`${key}.`));
    return !english.has(key) && !group;
  });
  expect(missing).toEqual([]);
});

test("every text is used", () => {
  const unused = keys.filter(
    (key) =>
      !used.whole.has(key) &&
      !key.startsWith(LOOKED_UP) &&
      !used.made.some((pattern) => pattern.test(key)),
  );
  expect(unused).toEqual([]);
});

const SLOT = /\{(\w+)\}/g;

test("translations have the same slots and can be compiled", () => {
  for (const [key, text] of english) {
    const slots = [...text.matchAll(SLOT)].map(([, name]) => name).sort();
    for (const language of LANGUAGES) {
      const translated = texts[language].get(key) ?? "";
      expect([...translated.matchAll(SLOT)].map(([, name]) => name).sort(), key).toEqual(slots);
      baseCompile(translated, {
        onError: (error) => expect.unreachable(`${language} ${key}: ${error.message}`),
      });
      expect(translated, `${language} ${key}: a | or @ has a meaning`).not.toMatch(/[|@](?!')/);
    }
  }
});

/** What is the same in every language. */
const SAME = new Set(["portal.start.api"]);

test("Chinese texts are in Chinese and in their own script", () => {
  const simplified = new Set("个这来网关应请开给说为录证码页邮账");
  const traditional = new Set("個這來網關應請開給說為錄證碼頁郵帳");
  for (const [key, text] of english) {
    if (!SAME.has(key)) {
      expect(texts["zh-CN"].get(key), key).not.toBe(text);
      expect(texts["zh-TW"].get(key), key).not.toBe(text);
    }
    expect(
      Array.from(texts["zh-CN"].get(key) ?? "").filter((c) => traditional.has(c)),
      key,
    ).toEqual([]);
    expect(
      Array.from(texts["zh-TW"].get(key) ?? "").filter((c) => simplified.has(c)),
      key,
    ).toEqual([]);
  }
});

interface Node {
  type: number;
  tag?: string;
  content?: unknown;
  children?: Node[];
  props?: { type: number; name: string; value?: { content: string } }[];
  branches?: Node[];
}

const READ_OUT = new Set(["title", "alt", "label", "placeholder", "aria-label", "lead", "text"]);
const LETTERS = /\p{L}/u;

function loose(node: Node, found: string[]): string[] {
  const attributes = (node.props ?? []).filter((prop) => prop.type === 6);
  const untranslated = attributes.some((p) => p.name === "translate" && p.value?.content === "no");
  if (node.type === 1 && untranslated) return found;
  if (node.type === 2 && LETTERS.test(String(node.content)))
    found.push(String(node.content).trim());
  for (const { name, value } of attributes) {
    const shown = value?.content ?? "";
    const isKey = english.has(shown) || shown.startsWith("pf_live_");
    if (READ_OUT.has(name) && LETTERS.test(shown) && !isKey) found.push(`${name}="${shown}"`);
  }
  for (const child of node.children ?? []) loose(child, found);
  return found;
}

describe("no words stand outside of the texts", () => {
  test.each(sources.filter(({ file }) => file.endsWith(".vue")))("in $file", ({ text }) => {
    const ast = parseSfc(text).descriptor.template?.ast;
    expect(loose((ast ?? { type: 0 }) as unknown as Node, [])).toEqual([]);
  });
});
