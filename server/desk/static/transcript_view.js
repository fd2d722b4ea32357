// The conversation as it goes on. It follows the last line until its reader scrolls up.

import { byId, element } from "./dom.js";
import { clock, WHO } from "./words.js";

const NEAR_PX = 40; // so close to the end counts as being there

export class TranscriptView {
  #box = byId("transcript");
  #latest = byId("latest");
  #following = true;
  #topPx = 0; // where the reader was
  #handedOverAtS = Infinity;

  constructor() {
    this.#box.addEventListener("scroll", () => this.#scrolled());
    this.#latest.addEventListener("click", () => this.#toEnd());
  }

  // All of it; `handedOverAtS`: the lines before it were said before the agent was asked.
  show(lines, handedOverAtS) {
    // What was said before is not read out line by line; what is said now is.
    this.#box.setAttribute("aria-live", "off");
    this.#box.replaceChildren();
    this.#handedOverAtS = handedOverAtS;
    for (const line of lines) this.#append(line);
    this.#toEnd();
    requestAnimationFrame(() => this.#box.setAttribute("aria-live", "polite"));
  }

  add(line) {
    this.#scrolled(); // the event of a scroll may still be on its way
    this.#append(line);
    if (this.#following) this.#toEnd();
    else this.#latest.hidden = false;
  }

  #append(line) {
    if (line.at_s > this.#handedOverAtS) {
      this.#box.append(element("p", { className: "handed-over" }, "Handed over"));
      this.#handedOverAtS = Infinity;
    }
    this.#box.append(row(line));
  }

  // The event comes late: a line may have been added since we scrolled to the end ourselves.
  #scrolled() {
    if (this.#atEnd()) this.#follow();
    else if (this.#box.scrollTop < this.#topPx) this.#following = false;
    this.#topPx = this.#box.scrollTop;
  }

  #atEnd() {
    return this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight < NEAR_PX;
  }

  #toEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
    this.#topPx = this.#box.scrollTop;
    this.#follow();
  }

  #follow() {
    this.#following = true;
    this.#latest.hidden = true;
  }
}

function row({ who, text, at_s, heard }) {
  const head = element(
    "span",
    { className: "who" },
    element("span", {}, WHO[who] ?? who),
    element("span", { className: "at figures" }, clock(at_s)),
  );
  return element("p", { className: "line", "data-who": who }, head, ...spoken(text, heard));
}

// What was cut short: the part that was heard, then the part that was not.
function spoken(text, heard) {
  if (heard === null || heard === undefined || !text.startsWith(heard)) return [text];
  const rest = text.slice(heard.length).trim();
  return rest ? [heard, " ", element("s", { className: "unheard", title: "Not heard by the caller" }, rest)] : [text];
}
