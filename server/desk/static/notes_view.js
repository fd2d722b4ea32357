// The note, kept as it is written, and how the call ended.

import { byId, element, setText } from "./dom.js";

const PAUSE_MS = 600; // of typing, before it is kept
const RETRY_MS = 4000;

export class NotesView {
  #send;
  #callId = null;
  #saved = ""; // what the server has
  #timer = null;
  #note = byId("note");
  #state = byId("note-state");
  #choices = byId("disposition");

  // send(message) → whether somebody was there to hear it
  constructor(send) {
    this.#send = send;
    this.#note.addEventListener("input", () => this.#later(PAUSE_MS));
    this.#note.addEventListener("blur", () => this.#save());
    this.#choices.addEventListener("change", (event) => this.#choose(event.target.value));
  }

  get disposition() {
    return this.#choices.querySelector("input:checked")?.value ?? null;
  }

  focus() {
    this.#note.focus();
  }

  // Of a call, as the server has it. What was typed while nobody listened is kept, and sent.
  show(callId, note, disposition, choices) {
    const same = this.#callId === callId;
    const unsent = same && this.#note.value !== this.#saved;
    const chosen = disposition ?? (same ? this.disposition : null);
    this.#callId = callId;
    this.#saved = note;
    if (!unsent) this.#note.value = note;
    setText(this.#state, "");
    this.#offer(choices, chosen);
    if (unsent) this.#save();
    if (chosen !== disposition) this.#choose(chosen);
  }

  saved(what, callId) {
    if (callId !== this.#callId) return;
    if (what === "note" && this.#note.value === this.#saved) setText(this.#state, "Saved");
  }

  failed() {
    this.#saved = null;
    setText(this.#state, "Not saved yet; trying again");
    this.#later(RETRY_MS);
  }

  #offer(choices, chosen) {
    const legend = this.#choices.querySelector("legend");
    const options = choices.map(({ code, label }) =>
      element("label", {}, element("input", { type: "radio", name: "disposition", value: code, checked: code === chosen }), label),
    );
    this.#choices.replaceChildren(legend, ...options);
  }

  #choose(code) {
    this.#send({ type: "disposition", call_id: this.#callId, code });
  }

  #later(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), delayMs);
  }

  #save() {
    clearTimeout(this.#timer);
    const text = this.#note.value;
    if (this.#callId === null || text === this.#saved) return;
    const sent = this.#send({ type: "note", call_id: this.#callId, text });
    if (sent) this.#saved = text;
    setText(this.#state, sent ? "Saving…" : "Not saved yet; saved when the connection is back");
  }
}
