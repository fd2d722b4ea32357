// What opens over the call: the keypad, whom to give it to, where frontdesk goes on.

import { badge, byId, element } from "./dom.js";
import { fetched } from "./history_view.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const DIALS = /^\+?[0-9*#]{2,32}$|^sips?:[^\s@]+@[^\s@]+$/i; // a number, or a SIP address

export function setUpKeypad(press) {
  const dialog = byId("keypad");
  const sent = byId("keypad-sent");
  const send = (key) => {
    if (press(key)) sent.textContent += key;
  };
  byId("keypad-keys").append(
    ...KEYS.map((key) =>
      element("button", { type: "button", className: "button figures", onclick: () => send(key) }, key),
    ),
  );
  dialog.addEventListener("keydown", (event) => {
    if (KEYS.includes(event.key) && !event.altKey && !event.ctrlKey && !event.metaKey) send(event.key);
  });
  return () => {
    sent.textContent = "";
    dialog.showModal();
  };
}

// Asks whom, and how where `withMode`; calls back with { target, mode }.
export class TargetDialog {
  #dialog = byId("transfer");
  #filter = byId("transfer-filter");
  #list = byId("transfer-targets");
  #error = byId("transfer-error");
  #targets = [];
  #chosen = () => {};
  #withMode = true;

  constructor() {
    this.#filter.addEventListener("input", () => this.#show());
    this.#list.addEventListener("change", () => this.#showModes());
    byId("transfer-cancel").addEventListener("click", () => this.#dialog.close());
    byId("transfer-form").addEventListener("submit", (event) => this.#submit(event));
  }

  async open(title, verb, withMode, chosen) {
    this.#chosen = chosen;
    byId("transfer-title").textContent = title;
    byId("transfer-go").textContent = verb;
    this.#withMode = withMode;
    this.#filter.value = "";
    this.#targets = [];
    this.#show();
    this.#dialog.showModal();
    this.#targets = (await fetched("/v1/desk/targets")) ?? [];
    this.#show();
  }

  #show() {
    this.#error.hidden = true;
    const wanted = this.#filter.value.trim().toLocaleLowerCase();
    const fit = this.#targets.filter(({ label, target }) => `${label} ${target}`.toLocaleLowerCase().includes(wanted));
    const rows = fit.map((target, index) => row(target, index === 0 && wanted !== ""));
    if (DIALS.test(wanted)) rows.push(row({ target: wanted, label: `Dial ${wanted}`, kind: "number", available: true }, fit.length === 0));
    if (rows.length === 0) rows.push(element("p", { className: "muted" }, "Nobody by that name. Enter a number to dial it."));
    this.#list.replaceChildren(...rows);
    this.#showModes();
  }

  // Only a number can be left to the phone system, or be sent a caller at once: colleagues and
  // queues are rung from here.
  #showModes() {
    const chosen = this.#list.querySelector("input:checked");
    byId("transfer-modes").hidden = !this.#withMode || chosen?.dataset.kind !== "number";
  }

  #submit(event) {
    const form = new FormData(event.target);
    const target = form.get("target");
    if (!target) {
      event.preventDefault();
      this.#error.textContent = "Choose somebody, or enter a number.";
      this.#error.hidden = false;
      this.#filter.focus();
      return;
    }
    const mode = byId("transfer-modes").hidden ? "warm" : form.get("mode");
    this.#chosen({ target, mode });
  }
}

function row({ target, label, kind, available }, checked) {
  const state = kind === "agent" ? badge(available ? "Ready" : "Busy", available ? "good" : "") : badge(kind);
  const choice = element("input", { type: "radio", name: "target", value: target, checked, "data-kind": kind });
  return element("label", {}, choice, label, state);
}

export function setUpReturn(chosen) {
  const dialog = byId("return");
  byId("return-cancel").addEventListener("click", () => dialog.close());
  byId("return-form").addEventListener("submit", (event) => chosen(new FormData(event.target).get("step") || null));
  return (steps) => {
    const choices = [...steps, { code: "", label: "Whatever the caller says next" }];
    const legend = byId("return-steps").querySelector("legend");
    const rows = choices.map(({ code, label }, index) =>
      element("label", {}, element("input", { type: "radio", name: "step", value: code, checked: index === 0 }), label),
    );
    byId("return-steps").replaceChildren(legend, ...rows);
    dialog.showModal();
  };
}

export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}
