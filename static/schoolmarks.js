/*
  What the pages need beyond htmx.

  A save that the server did not take must be seen, and what was typed must stay: the field is
  marked and the page says so. Refusals that bring words of their own are shown among the notices,
  by htmx as the page's htmx-config says, or by `post` here.
*/
const OWN_WORDS = [401, 403, 409, 422, 429];
const notices = document.getElementById("notices");
const box = document.getElementById("trouble");

/* Who signed in again has a new token, and the page the old one. */
const token = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";

/* Once nothing is held up any more, the page says so no longer. */
export function settle() {
  if (!document.querySelector("[data-unsaved]:not([aria-invalid])")) {
    box.hidden = true;
  }
}

/* Post a form of a school. Returns the answer's status (0: there was none) and its words. */
export async function post(url, body, school) {
  let status = 0;
  let words = "";
  try {
    const response = await fetch(url, {
      method: "POST",
      body,
      headers: {"HX-Request": "true", "X-School": school, "X-CSRFToken": token()},
      signal: AbortSignal.timeout(20000),
    });
    words = await response.text();
    status = response.status;
  } catch {
    status = 0;
  }
  if (![200, ...OWN_WORDS].includes(status)) {
    box.hidden = false;
  } else if (OWN_WORDS.includes(status) && status !== 422 && !(status === 401 && notices.querySelector("form"))) {
    notices.innerHTML = words; // unless somebody is signing in there
    notices.dataset.refusal = "";
    window.htmx.process(notices);
  } else if ("refusal" in notices.dataset) {
    notices.replaceChildren();
    delete notices.dataset.refusal;
  }
  return {status, words};
}

function trouble(event) {
  const status = event.detail.xhr?.status ?? 0;
  event.detail.elt?.setAttribute?.("data-unsaved", "");
  if (!OWN_WORDS.includes(status)) {
    box.hidden = false;
  }
}

["htmx:sendError", "htmx:timeout", "htmx:responseError"].forEach((name) => {
  document.addEventListener(name, trouble);
});

document.addEventListener("htmx:afterOnLoad", (event) => {
  if (event.detail.xhr.getResponseHeader("HX-Retarget") === "#notices") {
    trouble(event); // a refusal, which htmx counts as an answer
  } else if (event.detail.successful) {
    event.detail.elt?.removeAttribute?.("data-unsaved");
    settle();
  }
});

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = token();
});

// Signed in again without leaving the page: its forms take the new token.
addEventListener("signed-in", () => {
  document.querySelectorAll("[name=csrfmiddlewaretoken]").forEach((field) => { field.value = token(); });
});

// Leaving the page while something typed was not taken: the browser asks first.
addEventListener("beforeunload", (event) => {
  if (document.querySelector("[data-unsaved]:not(.cell)")) {
    event.preventDefault();
  }
});

// A menu closes on Escape and on a click elsewhere.
function closeMenus(except) {
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    menu.open = menu === except;
  });
}

document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const open = event.target.closest?.("details.menu[open]");
    closeMenus(null);
    open?.querySelector("summary").focus();
  }
});

// F9 leads to what there is to sign in again with, from wherever one types.
document.addEventListener("keydown", (event) => {
  const field = event.key === "F9" && notices.querySelector("[name=login]");
  if (field) {
    event.preventDefault();
    field.focus();
  }
});

// A button that prints the page, where there is something to print with.
document.querySelectorAll("[data-print]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => print());
});

// What waits in this browser to be saved, of a sheet or of all: "school person section".
document.querySelectorAll("[data-unsaved-of]").forEach((notice) => {
  const labels = Object.keys(window.localStorage ?? {});
  const count = labels.filter((label) => label.startsWith(`schoolmarks-unsaved ${notice.dataset.unsavedOf} `)).length;
  notice.hidden = !count;
  notice.prepend(count ? `${count} ` : "");
});
