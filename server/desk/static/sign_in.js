// The sign-in page: by name and password, or by the company's account.
//
// Whoever is signed in already is led on to where they were going (?next=), or to the page of their
// role. Over the way to the identity provider and back, the place waits in sessionStorage.

const PLACE = "frontdesk.next";

// What a way back from the identity provider can have gone wrong with: ?problem=
const PROBLEMS = {
  provider: "The sign-in service does not answer as it should. Try again in a moment.",
  refused: "The sign-in service did not let you in.",
  late: "That took too long, or was begun in another window. Try again.",
  role: "Your company account has no role here. Ask whoever manages frontdesk.",
  shut: "This account is shut. Ask whoever manages frontdesk.",
  name: "The name of your company account cannot be used here. Ask whoever manages frontdesk.",
};

const part = (id) => document.getElementById(id);
const form = part("form");
const fields = [part("login"), part("password")];

/** A path of this site, or null: a link must not lead who signs in elsewhere. */
function placeOfOurs(text) {
  if (!text) return null;
  let url;
  try {
    url = new URL(text, location.origin);
  } catch {
    return null;
  }
  const ours = url.origin === location.origin && text.startsWith("/");
  return ours && url.pathname !== location.pathname ? url.pathname + url.search : null;
}

function say(problem) {
  part("problem").textContent = problem;
  part("problem").hidden = !problem;
}

function markMissing() {
  for (const field of fields) {
    const missing = !field.value;
    field.setAttribute("aria-invalid", String(missing));
    part(`${field.id}-missing`).hidden = !missing;
  }
  const first = fields.find((field) => !field.value);
  first?.focus();
  return Boolean(first);
}

function waitInWords(seconds) {
  if (seconds < 90) return seconds === 1 ? "a second" : `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}

async function problemOf(response) {
  if (response.status === 401) return "Name and password do not fit.";
  if (response.status === 429) {
    const seconds = Number(response.headers.get("Retry-After") ?? 60);
    return `Too many attempts. Try again in ${waitInWords(seconds)}.`;
  }
  if (response.status >= 500) return "frontdesk cannot check this now. Try again in a moment.";
  const { detail } = await response.json().catch(() => ({}));
  return typeof detail === "string" ? detail : "That did not work.";
}

/** The answer, or null when there was none. */
async function ask(method, body) {
  try {
    return await fetch("/v1/session", {
      method,
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body && JSON.stringify(body),
    });
  } catch {
    return null;
  }
}

async function signIn(event) {
  event.preventDefault();
  say("");
  if (markMissing() || part("submit").getAttribute("aria-disabled") === "true") return;
  part("submit").setAttribute("aria-disabled", "true");
  const [login, password] = fields.map((field) => field.value);
  const response = await ask("POST", { login, password });
  part("submit").removeAttribute("aria-disabled");
  if (response?.ok) {
    goOn(await response.json());
    return;
  }
  say(response ? await problemOf(response) : "frontdesk cannot be reached. Check your connection.");
  part("password").value = "";
  part("password").focus();
}

async function signOut() {
  const response = await ask("DELETE");
  if (response?.ok) {
    location.replace(location.pathname);
  } else {
    say("Signing out did not work. Try again.");
  }
}

function goOn(user) {
  const next = placeOfOurs(sessionStorage.getItem(PLACE));
  sessionStorage.removeItem(PLACE);
  const home = user.rights.includes("take_calls") ? "/desk" : null;
  if (next ?? home) {
    location.assign(next ?? home);
  } else {
    show(user);
  }
}

/** The page for `user`, or for nobody. */
function show(user, provider) {
  part("out").hidden = Boolean(user);
  part("in").hidden = !user;
  if (user) {
    part("title").textContent = "Signed in";
    document.title = "Signed in · frontdesk";
    part("who").textContent = user.name;
    part("desk").hidden = !user.rights.includes("take_calls");
    part("supervisor").hidden = !user.rights.includes("supervise");
    part("title").focus();
    return;
  }
  part("provider").hidden = !provider;
  part("provider-link").textContent = `Sign in with ${provider}`;
  part("login").focus();
}

async function begin() {
  const asked = new URLSearchParams(location.search);
  const next = placeOfOurs(asked.get("next"));
  if (next) sessionStorage.setItem(PLACE, next);
  const response = await ask("GET");
  if (!response?.ok) {
    show(null, null);
    say(response ? await problemOf(response) : "frontdesk cannot be reached. Reload this page.");
    return;
  }
  const { user, provider } = await response.json();
  if (user && sessionStorage.getItem(PLACE)) {
    goOn(user);
    return;
  }
  show(user, provider);
  say(PROBLEMS[asked.get("problem")] ?? "");
}

form.addEventListener("submit", signIn);
part("sign-out").addEventListener("click", signOut);
part("reveal").addEventListener("click", () => {
  const shown = part("password").type === "password";
  part("password").type = shown ? "text" : "password";
  part("reveal").setAttribute("aria-pressed", String(shown));
});
begin();
