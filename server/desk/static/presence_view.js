// The agent's presence: what they are, for how long, and the switch.

import { byId, element, setText } from "./dom.js";
import { AWAY, clock, PRESENCE } from "./words.js";

export class PresenceView {
  #agent = null;
  #atMs = 0;
  #reasons = [];

  // choose(ready, reason)
  constructor(choose) {
    byId("ready").addEventListener("click", () => choose(!this.#agent?.ready_next, null));
    byId("away").addEventListener("change", (event) => {
      if (event.target.value) choose(false, event.target.value);
    });
    setInterval(() => this.#tick(), 1000);
  }

  get agent() {
    return this.#agent;
  }

  offer(reasons) {
    this.#reasons = reasons;
    const first = element("option", { value: "" }, "Away…");
    byId("away").replaceChildren(first, ...reasons.map(({ code, label }) => element("option", { value: code }, label)));
  }

  show(agent) {
    this.#agent = agent;
    this.#atMs = performance.now() - agent.for_s * 1000;
    const { label, tone } = PRESENCE[agent.presence];
    byId("presence").className = `badge ${tone}`;
    setText(byId("presence"), `${label}${this.#suffix(agent)}`);
    setText(byId("ready-label"), agent.ready_next ? "Set away" : "Set ready");
    byId("ready").classList.toggle("primary", !agent.ready_next);
    byId("away").value = agent.ready_next ? "" : (agent.away_reason ?? "");
    if (byId("away").selectedIndex < 0) byId("away").value = "";
    setText(byId("agent-name"), agent.name);
    this.#tick();
  }

  #suffix(agent) {
    if (agent.presence === "away" && agent.away_reason) return `: ${this.#reason(agent.away_reason)}`;
    const busy = ["ringing", "talking", "wrap_up"].includes(agent.presence);
    return busy && !agent.ready_next ? ", then away" : "";
  }

  #reason(code) {
    return AWAY[code] ?? this.#reasons.find((reason) => reason.code === code)?.label.toLowerCase() ?? code;
  }

  #tick() {
    if (this.#agent) setText(byId("presence-for"), clock((performance.now() - this.#atMs) / 1000));
  }
}
