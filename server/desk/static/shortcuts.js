// Alt and a letter, by the key's place: with Alt, Macs type other letters.

export function onShortcuts(table) {
  document.addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || event.repeat) return;
    const work = table[event.code.replace(/^Key/, "")];
    if (!work) return;
    event.preventDefault();
    work();
  });
}

// As if it were clicked; nothing where it cannot be.
export function press(button) {
  const reachable = button.offsetParent !== null && !button.disabled;
  if (reachable && button.getAttribute("aria-disabled") !== "true") button.click();
}
