// Earlier calls of the same caller.

import { byId, element } from "./dom.js";
import { clock, sentenceCase } from "./words.js";

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export async function showHistory(callId) {
  const box = byId("history");
  box.dataset.call = callId;
  box.replaceChildren(note("Looking them up…"));
  const found = await fetched(`/v1/desk/history/${callId}`);
  if (box.dataset.call !== callId) return; // another call is shown by now
  if (found === null) box.replaceChildren(note("They could not be looked up."));
  else if (found.length === 0) box.replaceChildren(note("None: this caller is new."));
  else box.replaceChildren(...found.map(earlier));
}

// The answer's JSON; null when there is none.
export async function fetched(url) {
  try {
    const response = await fetch(url);
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

const note = (text) => element("p", { className: "muted small" }, text);

function earlier(call) {
  const about = [DAY.format(new Date(call.started_at)), call.agent ?? "frontdesk alone", call.disposition];
  if (call.duration_s !== null) about.splice(1, 0, clock(call.duration_s));
  return element(
    "details",
    { className: "earlier" },
    element(
      "summary",
      {},
      element("strong", {}, sentenceCase(call.reason)),
      element("span", { className: "muted small" }, ` ${about.filter(Boolean).join(" · ")}`),
    ),
    ...call.summary.map((sentence) => element("p", { className: "small" }, sentence)),
    call.note ? element("p", { className: "small" }, element("strong", {}, "Note: "), call.note) : null,
  );
}
