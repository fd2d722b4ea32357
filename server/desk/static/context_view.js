// What is known of the call, in the order an agent needs it.

import { badge, byId, element, pair } from "./dom.js";
import { ACTION, caller, clock, MOOD, sentenceCase } from "./words.js";

const SURE = 0.85; // at and above it a value needs no asking again
const LANGUAGES = new Intl.DisplayNames(["en"], { type: "language" });

export function showContext(context) {
  byId("caller").textContent = caller(context.caller);
  byId("why").textContent = context.reason_text;
  showSummary(context);
  showFacts(context);
  fill("slots", context.slots.flatMap(slot), context.slots.length);
  fill("actions", context.actions.map(action), context.actions.length);
  fill("next", context.next_steps.map((step) => element("li", {}, step)), context.next_steps.length);
}

function showSummary(context) {
  byId("summary").replaceChildren(...context.summary.map((sentence) => element("li", {}, sentence)));
  byId("said-last").textContent = context.said_last;
  byId("said-last-block").hidden = !context.said_last;
}

function showFacts(context) {
  const facts = pair("Number", caller(context.caller));
  if (context.task) facts.push(...pair("Wants to", context.task));
  const proof = context.verified.length
    ? [badge("Verified", "good"), `by ${context.verified.join(", ")}`]
    : [badge("Not verified", "warn")];
  facts.push(...pair("Identity", ...proof));
  const mood = MOOD[context.sentiment];
  if (mood) facts.push(...pair("Mood", badge(mood.label, mood.tone)));
  facts.push(...pair("Language", languageName(context.language)));
  const waitedS = (Date.parse(context.requested_at) - Date.parse(context.started_at)) / 1000;
  facts.push(...pair("Spoke for", element("span", { className: "figures" }, clock(waitedS))));
  byId("facts").replaceChildren(...facts);
}

function languageName(code) {
  try {
    return LANGUAGES.of(code);
  } catch {
    return code;
  }
}

function slot({ name, value, confidence, confirmed }) {
  return pair(sentenceCase(name), element("strong", {}, value), certainty(confidence, confirmed));
}

function certainty(confidence, confirmed) {
  if (confirmed) return badge("confirmed", "good");
  if (confidence === null) return badge("keyed");
  const share = `${Math.round(confidence * 100)}% sure`;
  return confidence >= SURE ? badge(share) : badge(`${share}, ask again`, "warn");
}

function action({ name, status, detail }) {
  const { label, tone } = ACTION[status] ?? { label: sentenceCase(status), tone: "" };
  const text = sentenceCase(detail || name);
  return element("li", { className: "action" }, element("span", {}, badge(label, tone)), element("span", {}, text));
}

function fill(id, children, any) {
  byId(id).replaceChildren(...children);
  byId(`${id}-block`).hidden = !any;
}

// `decide` is null for who may only watch.
export function showApprovals(items, decide) {
  byId("approvals").replaceChildren(...items.map((item) => approval(item, decide)));
  byId("approvals-block").hidden = items.length === 0;
}

export function approval(item, decide) {
  const row = element("li", { className: "approval" }, element("p", {}, sentenceCase(item.detail || item.name)));
  if (!decide) row.append(element("p", { className: "muted small" }, "A supervisor decides."));
  else {
    const button = (text, approved, tone) =>
      element("button", { type: "button", className: `button compact ${tone}`, onclick: () => decide(item, approved) }, text);
    row.append(button("Approve", true, "good"), " ", button("Refuse", false, ""));
  }
  return row;
}
