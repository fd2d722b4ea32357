// What an agent sets for themselves: where calls come, the ring, the brief, the microphone.

import { byId, element } from "./dom.js";
import { Softphone } from "./rtc.js";

const STORED = "frontdesk.desk"; // of this browser: its ring and its microphone

export class SettingsView {
  #settings = { ring: true, microphone: "", speaker: "", ...stored() };
  #changed;

  // changed(name, value): reach, spoken_brief, ring, microphone, speaker
  constructor(changed) {
    this.#changed = changed;
    byId("settings-open").addEventListener("click", () => this.#open());
    byId("ring-sound").addEventListener("change", (event) => this.#set("ring", event.target.checked));
    byId("microphone").addEventListener("change", (event) => this.#set("microphone", event.target.value));
    byId("speaker").addEventListener("change", (event) => this.#set("speaker", event.target.value));
    byId("speaker-field").hidden = !("setSinkId" in HTMLMediaElement.prototype);
    byId("spoken-brief").addEventListener("change", (event) => changed("spoken_brief", event.target.checked));
    for (const radio of document.querySelectorAll("input[name=reach]")) {
      radio.addEventListener("change", () => changed("reach", radio.value));
    }
    byId("ring-sound").checked = this.#settings.ring;
  }

  get ring() {
    return this.#settings.ring;
  }

  get microphone() {
    return this.#settings.microphone;
  }

  get speaker() {
    return this.#settings.speaker;
  }

  show(agent) {
    byId("spoken-brief").checked = agent.spoken_brief;
    document.querySelector(`input[name=reach][value=${agent.reach}]`).checked = true;
    byId("reach-phone-row").hidden = agent.extension === null;
    byId("extension").textContent = agent.extension ? `(extension ${agent.extension})` : "";
  }

  async #open() {
    byId("settings").showModal();
    const { microphones, speakers } = await Softphone.devices();
    fill("microphone", microphones, "Microphone", this.#settings.microphone);
    fill("speaker", speakers, "Speaker", this.#settings.speaker);
  }

  #set(name, value) {
    this.#settings[name] = value;
    localStorage.setItem(STORED, JSON.stringify(this.#settings));
    this.#changed(name, value);
  }
}

function fill(id, devices, word, chosen) {
  const options = [
    element("option", { value: "" }, "The browser's own choice"),
    ...devices.map(({ deviceId, label }, index) => element("option", { value: deviceId }, label || `${word} ${index + 1}`)),
  ];
  byId(id).replaceChildren(...options);
  byId(id).value = chosen;
  if (byId(id).selectedIndex < 0) byId(id).selectedIndex = 0;
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    return {};
  }
}
