// The welcome page: is the gateway ready, what to type, and a place to try it.
import { say } from "./shell.js";
import { setUpTry } from "./try.js";

const STATUS_OK_MS = 30_000;
const STATUS_BAD_MS = 3_000;

const status = document.querySelector(".status");
const state = status.querySelector(".state");
let shown = "";
let timer;

function show(kind, key, slots) {
  const now = JSON.stringify([key, slots]);
  if (now === shown) return; // said once, not every few seconds
  shown = now;
  status.dataset.state = kind;
  say(state, key, slots);
}

async function askWhetherReady() {
  clearTimeout(timer);
  let kind = "bad";
  try {
    const options = { cache: "no-store", signal: AbortSignal.timeout(10_000) };
    const answer = await (await fetch("/readyz", options)).json();
    if (answer.status === "ok") {
      kind = "ok";
      show(kind, "status.ready");
    } else if (answer.status === "draining") {
      kind = "draining";
      show(kind, "status.draining");
    } else {
      const failing = Object.entries(answer.parts).filter(([, reason]) => reason !== "ok");
      const parts = failing.map(([name, reason]) => `${name}: ${reason}`).join("; ");
      show(kind, "status.unavailable", { parts });
    }
  } catch {
    show(kind, "status.unreachable");
  }
  if (!document.hidden) {
    timer = setTimeout(askWhetherReady, kind === "ok" ? STATUS_OK_MS : STATUS_BAD_MS);
  }
}

function select(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

async function copy(code) {
  // Without TLS, away from localhost, there is no clipboard; the old way still works there.
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(code.textContent);
      return true;
    } catch {
      // Not allowed: try the old way.
    }
  }
  select(code);
  return document.execCommand("copy");
}

for (const figure of document.querySelectorAll(".code")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.setAttribute("aria-live", "polite");
  say(button, "code.copy");
  let back;
  button.addEventListener("click", async () => {
    const code = figure.querySelector("code");
    const done = await copy(code);
    if (!done) select(code);
    say(button, done ? "code.copied" : "code.selected");
    clearTimeout(back);
    back = setTimeout(() => say(button, "code.copy"), 2_000);
  });
  figure.append(button);
}

for (const element of document.querySelectorAll("[data-origin]")) {
  element.textContent = location.origin;
}

document.querySelector("#try").hidden = false;
setUpTry(document.querySelector("#try"), {
  onModel(name) {
    for (const element of document.querySelectorAll("[data-model]")) element.textContent = name;
  },
});

say(state, "status.asking");
askWhetherReady();
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) askWhetherReady();
});
