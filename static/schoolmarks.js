/*
  What the pages need beyond htmx.

  A save that the server did not take must be seen, and what was typed must stay: the field is
  marked and the page says so. Refusals that bring words of their own (401, 403, 409, 422, 429) are
  shown by htmx itself, as the page's htmx-config says.
*/
(function () {
  "use strict";

  var OWN_WORDS = [401, 403, 409, 422, 429];

  function trouble(event) {
    var status = event.detail.xhr ? event.detail.xhr.status : 0;
    var field = event.detail.elt;
    if (field && field.setAttribute) {
      field.setAttribute("data-unsaved", "");
    }
    var box = document.getElementById("trouble");
    if (box && OWN_WORDS.indexOf(status) === -1) {
      box.hidden = false;
    }
  }

  document.addEventListener("htmx:sendError", trouble);
  document.addEventListener("htmx:timeout", trouble);
  document.addEventListener("htmx:responseError", trouble);

  document.addEventListener("htmx:afterOnLoad", function (event) {
    if (event.detail.xhr.getResponseHeader("HX-Retarget") === "#notices") {
      trouble(event); // a refusal, which htmx counts as an answer
    } else if (event.detail.successful) {
      if (event.detail.elt && event.detail.elt.removeAttribute) {
        event.detail.elt.removeAttribute("data-unsaved");
      }
      var box = document.getElementById("trouble");
      if (box && !document.querySelector("[data-unsaved]")) {
        box.hidden = true;
      }
    }
  });

  // Leaving the page while something typed was not taken: the browser asks first.
  window.addEventListener("beforeunload", function (event) {
    if (document.querySelector("[data-unsaved]")) {
      event.preventDefault();
    }
  });

  // A menu closes on Escape and on a click elsewhere.
  function closeMenus(except) {
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (menu !== except) {
        menu.open = false;
      }
    });
  }

  document.addEventListener("click", function (event) {
    closeMenus(event.target.closest("details.menu"));
  });

  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") {
      var open = event.target.closest && event.target.closest("details.menu[open]");
      closeMenus(null);
      if (open) {
        open.querySelector("summary").focus();
      }
    }
  });
})();
