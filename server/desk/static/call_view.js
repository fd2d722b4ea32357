// The call's bar: who, in which phase, for how long, and the buttons of that phase.

import { byId, setPressed, setText } from "./dom.js";
import { clock, ended, PHASE } from "./words.js";

const IDLE = {
  ready: ["You are ready", "The next caller appears here, with what is known of them."],
  away: ["You are away", "No calls come until you are ready."],
  offline: ["Not reachable", "Your phone is not registered, so no calls come."],
};

const TONE = { joining: "good", talking: "good", held: "warn" };

export class CallView {
  #call = null;
  #wrapUp = null;
  #atMs = 0; // when the phase, or the talk, began
  #title = document.title;

  constructor() {
    setInterval(() => this.#tick(), 500);
  }

  show(call, wrapUp, agent, disposition) {
    if (call !== this.#call || wrapUp !== this.#wrapUp) {
      [this.#call, this.#wrapUp] = [call, wrapUp];
      this.#atMs = performance.now() - ((call ?? wrapUp)?.for_s ?? 0) * 1000;
    }
    const phase = call?.phase ?? (wrapUp ? "wrap_up" : "idle");
    document.body.dataset.view = phase;
    byId("call").dataset.phase = phase;
    byId("call").hidden = phase === "idle";
    byId("idle").hidden = phase !== "idle";
    if (phase === "idle") showIdle(agent);
    else this.#showBar(phase);
    showWrapUp(wrapUp, disposition);
    this.#tick();
  }

  #showBar(phase) {
    const call = this.#call;
    const asked = ["ringing", "connecting", "briefing"].includes(phase);
    const taken = ["joining", "talking", "held"].includes(phase);
    byId("phase").className = `badge ${call?.reconnecting ? "bad" : (TONE[phase] ?? "")}`.trim();
    setText(byId("phase"), call?.reconnecting ? "Reconnecting your audio" : (PHASE[phase] ?? "Call ended"));
    byId("answer-actions").hidden = !asked;
    byId("talk-actions").hidden = !taken;
    setText(byId("answer-label"), phase === "briefing" ? "Take the call" : "Answer");
    byId("answer").disabled = phase === "connecting";
    setPressed(byId("mute"), call?.muted ?? false);
    setPressed(byId("hold"), phase === "held");
    for (const id of ["keypad-open", "conference-open"]) byId(id).disabled = phase !== "talking";
    for (const id of ["transfer-open", "return-open", "hold"]) byId(id).disabled = phase === "joining";
  }

  #tick() {
    const seconds = (performance.now() - this.#atMs) / 1000;
    document.title = this.#call?.phase === "ringing" ? `☎ Incoming call – ${this.#title}` : this.#title;
    if (this.#call?.phase === "ringing") {
      setText(byId("call-for"), `rings for ${clock(Math.max(0, this.#call.rings_for_s - seconds + this.#call.for_s))}`);
    } else if (this.#call || this.#wrapUp) setText(byId("call-for"), clock(seconds));
    if (this.#wrapUp) showTimeLeft(this.#wrapUp, seconds);
  }
}

function showIdle(agent) {
  const [title, text] = IDLE[agent.presence] ?? IDLE.away;
  setText(byId("idle-title"), title);
  setText(byId("idle-text"), text);
}

function showWrapUp(wrapUp, disposition) {
  byId("wrap-up").hidden = wrapUp === null;
  byId("wrap-up-done").setAttribute("aria-disabled", String(!disposition));
}

function showTimeLeft({ reason, limit_s: limitS }, seconds) {
  const left = limitS - seconds;
  const time = left > 0 ? `${clock(left)} left.` : `Overdue by ${clock(-left)}.`;
  setText(byId("wrap-up-text"), `${ended(reason)} ${time}`);
}
