// One question to one model through the gateway, with a token that stays in this page's memory.
import { Refusal, ask, listModels } from "./gateway.js";
import { hush, number, say } from "./shell.js";

const TYPING_MS = 400;

/** Brings the form to life. `onModel` hears which model is chosen. */
export function setUpTry(section, { onModel }) {
  const form = section.querySelector("form");
  const token = form.querySelector("#token");
  const tokenState = form.querySelector("#token-state");
  const model = form.querySelector("#model");
  const noModels = model.options[0];
  const question = form.querySelector("#question");
  const send = form.querySelector(".primary");
  const stop = form.querySelector(".stop");
  const outcome = form.querySelector(".outcome");
  const answer = section.querySelector(".answer");
  let asked = ""; // the token whose models are listed, or are being listed
  let listing = null;
  let running = null;
  let typing;

  const key = () => token.value.trim().replace(/^bearer\s+/i, "");

  function report(element, bad, text, slots) {
    element.classList.toggle("bad", bad);
    say(element, text, slots);
  }

  function complain(element, error) {
    if (error instanceof Refusal) {
      const slots = { status: error.status, message: error.message, id: error.requestId || "–" };
      if (error.status === 401) report(element, true, "error.token", slots);
      else if (error.status) report(element, true, "error.refused", slots);
      else report(element, true, "error.broken", slots);
    } else {
      report(element, true, "error.unreachable");
    }
  }

  function showModels(names) {
    const before = model.value;
    const options = names.map((name) => new Option(name, name, false, name === before));
    model.replaceChildren(...(options.length ? options : [noModels]));
    model.disabled = !options.length;
    if (options.length) onModel(model.value);
  }

  /** Lists the models of the token in the field; true when there is one to ask. */
  async function refreshModels() {
    clearTimeout(typing);
    if (key() === asked && listing) return listing;
    asked = /^[\x21-\x7e]*$/.test(key()) ? key() : ""; // what can stand in a header
    listing = asked ? listFor(asked) : Promise.resolve(false);
    if (!asked) {
      if (key()) report(tokenState, true, "error.not_a_token");
      else hush(tokenState);
      showModels([]);
    }
    return listing;
  }

  async function listFor(wanted) {
    let names = [];
    let failure = null;
    try {
      names = await listModels(wanted);
    } catch (error) {
      failure = error;
    }
    if (wanted !== asked) return false; // another token has been typed meanwhile
    showModels(names);
    if (!names.length) {
      asked = "";
      listing = null; // so that the same token is asked for again
    }
    if (failure) {
      complain(tokenState, failure);
    } else if (names.length) {
      report(tokenState, false, "try.models_listed", { count: number(names.length) });
    } else {
      report(tokenState, true, "error.no_models");
    }
    return names.length > 0;
  }

  function setRunning(controller) {
    const focusWasHere = [send, stop].includes(document.activeElement);
    running = controller;
    stop.hidden = !controller;
    send.hidden = Boolean(controller);
    if (focusWasHere) (controller ? stop : send).focus();
    answer.setAttribute("aria-busy", String(Boolean(controller)));
  }

  function write(piece) {
    const following = answer.scrollHeight - answer.scrollTop - answer.clientHeight < 40;
    answer.hidden = false;
    answer.append(piece);
    if (following) answer.scrollTop = answer.scrollHeight;
  }

  async function run() {
    const started = performance.now();
    const controller = new AbortController();
    answer.replaceChildren();
    answer.hidden = true;
    setRunning(controller);
    report(outcome, false, "try.waiting");
    try {
      const usage = await ask({
        token: key(),
        model: model.value,
        question: question.value,
        signal: controller.signal,
        write,
      });
      const seconds = number((performance.now() - started) / 1000, 1);
      if (!answer.textContent) report(outcome, false, "try.empty");
      else if (usage) {
        const slots = { input: number(usage.input), output: number(usage.output), seconds };
        report(outcome, false, "try.done_usage", slots);
      } else report(outcome, false, "try.done", { seconds });
    } catch (error) {
      if (controller.signal.aborted) report(outcome, false, "try.stopped");
      else complain(outcome, error);
    } finally {
      setRunning(null);
    }
  }

  token.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(refreshModels, TYPING_MS);
  });
  token.addEventListener("change", refreshModels);
  model.addEventListener("change", () => onModel(model.value));
  stop.addEventListener("click", () => running?.abort());

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return;
    // As it was when it was sent: what is typed while the models are listed is not sent yet.
    const empty = !question.value.trim();
    if (!key()) {
      report(tokenState, true, "error.need_token");
      token.focus();
    } else if (!(await refreshModels())) {
      token.focus();
    } else if (empty) {
      // From the token field this is the next step, not a mistake.
      if (document.activeElement !== token) report(outcome, true, "error.need_question");
      question.focus();
    } else if (!running) {
      await run();
    }
  });
  section.addEventListener("keydown", (event) => {
    if (event.key === "Escape") running?.abort();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  if (/mac|iphone|ipad/i.test(navigator.platform)) {
    form.querySelector("kbd").textContent = "⌘ Enter";
  }
}
