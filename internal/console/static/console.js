// What a page can do more with a script. Every page works without it.
"use strict";

// Buttons that copy the text of an element, where the browser lets a page do so.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const text = document.getElementById(button.dataset.copy);
    button.hidden = false;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(text);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
}

// A form that is on its way is not sent a second time.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
    }
    form.dataset.sent = "yes";
  });
}
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
  }
});

// What goes on is asked for each second, as long as the page is looked at, and the
// parts that say how far it has come are changed. When it is over the page comes anew.
const live = document.querySelectorAll("[data-live]");
function follow() {
  if (document.hidden) {
    addEventListener("visibilitychange", follow, { once: true });
    return;
  }
  const request = new XMLHttpRequest(); // it makes a document of the answer, and never runs it
  request.responseType = "document";
  const page = new URL(location.href);
  page.searchParams.set("follow", ""); // so that the session is not kept by it
  request.open("GET", page);
  request.onload = () => {
    const now = request.response;
    if (request.status !== 200 || !now) {
      return;
    }
    if (!now.querySelector("[data-live]")) {
      request.onloadend = null;
      location.reload();
      return;
    }
    for (const part of live) {
      const fresh = now.getElementById(part.id);
      if (fresh && fresh.innerHTML !== part.innerHTML) {
        part.replaceChildren(...fresh.childNodes);
      }
    }
  };
  request.onloadend = () => { setTimeout(follow, 1000); };
  request.send();
}
if (live.length > 0) {
  setTimeout(follow, 1000);
}

// The menu closes by Escape, and by a click elsewhere.
const menu = document.querySelector("details.person");
if (menu) {
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  addEventListener("click", (event) => {
    if (!menu.contains(event.target)) {
      menu.open = false;
    }
  });
}
