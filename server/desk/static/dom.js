// Small words for the document. Text is always text: nothing here takes markup.

export const byId = (id) => document.getElementById(id);

// An element with properties, attributes (`aria-…`, `data-…`) and children, which may be text.
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Sets what changed, so that screen readers are not told the same again.
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

export function setPressed(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

export function badge(text, tone = "") {
  return element("span", { className: `badge ${tone}`.trim() }, text);
}

export function pair(term, ...description) {
  return [element("dt", {}, term), element("dd", {}, ...description)];
}
