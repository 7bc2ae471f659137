/*
  The mark sheet, beyond what htmx does: each edit gets a key, so that one sent twice counts once;
  a refused cell is marked as such and keeps what was typed; Enter goes to the next pupil.
  Without this file the sheet is one form with a button.
*/
(function () {
  "use strict";

  var form = document.querySelector("[data-sheet]");
  if (!form || !window.htmx) {
    return;
  }
  var save = form.querySelector("[data-save]");

  function cellOf(element) {
    var entry = element && element.closest && element.closest(".entry");
    return entry && entry.querySelector(".cell");
  }

  // Cells save themselves. The button is for when one could not, and trying again may help.
  function offerToSave() {
    if (save) {
      save.hidden = !form.querySelector(".cell[data-again]");
    }
  }

  function newKey() {
    var numbers = window.crypto.getRandomValues(new Uint32Array(4));
    return Array.prototype.map.call(numbers, function (n) { return n.toString(36); }).join("");
  }

  form.addEventListener("input", function (event) {
    var cell = cellOf(event.target);
    if (cell) {
      cell.dataset.edit = newKey();
      cell.dataset.unsent = "";
    }
  });

  form.addEventListener("htmx:configRequest", function (event) {
    var cell = cellOf(event.detail.elt);
    if (cell) {
      cell.dataset.edit = cell.dataset.edit || newKey();
      cell.dataset.sent = cell.value;
      delete cell.dataset.again;
      delete cell.dataset.unsent;
      event.detail.parameters.key = cell.dataset.edit;
    }
  });

  // For who does not see the cell's state appear: it is said, with the name of the cell.
  function say(cell, answer) {
    var words = answer.innerText.replace(/\s+/g, " ").trim();
    form.querySelector("[data-said]").textContent = cell.labels[0].textContent + ": " + words;
  }

  function count() {
    var counts = {
      missing: form.querySelectorAll('[data-enrolled] [data-saved=""]').length,
      waiting: form.querySelectorAll(".answer > .waiting, .answer > .conflict").length
    };
    Object.keys(counts).forEach(function (name) {
      document.querySelector("[data-" + name + "]").textContent = counts[name];
    });
  }

  // Runs after the page's own listener, which took the answer's word that all is well.
  document.addEventListener("htmx:afterOnLoad", function (event) {
    var cell = cellOf(event.detail.elt);
    if (!cell || !event.detail.successful) {
      offerToSave();
      return;
    }
    var answer = cell.closest(".entry").querySelector(".answer");
    if (answer.querySelector("[data-refused]")) {
      cell.setAttribute("aria-invalid", "true");
      cell.setAttribute("data-unsaved", "");
    } else {
      var kept = answer.querySelector("[data-saved]");
      cell.removeAttribute("aria-invalid");
      cell.removeAttribute("data-unsaved");
      // "80.0" was saved as 80: say so, unless something else is being typed by now.
      if (kept && cell.matches(".grade") && cell.value === cell.dataset.sent) {
        cell.value = kept.dataset.saved;
      }
    }
    say(cell, answer);
    count();
    offerToSave();
  });

  // Leaving while something is typed and not sent, or on its way: the browser asks first.
  window.addEventListener("beforeunload", function (event) {
    if (form.querySelector("[data-unsent], .htmx-request")) {
      event.preventDefault();
    }
  });

  form.addEventListener("submit", function () {
    form.querySelectorAll("[data-unsent], [data-unsaved]").forEach(function (cell) {
      delete cell.dataset.unsent;
      cell.removeAttribute("data-unsaved");
    });
  });

  // No answer, or none that had words of its own: the edit is sent again, under the same key.
  function failed(event) {
    var cell = cellOf(event.detail.elt);
    var status = event.detail.xhr ? event.detail.xhr.status : 0;
    if (cell && (status === 0 || status >= 500)) {
      cell.dataset.again = "";
      cell.setAttribute("data-unsaved", "");
    }
    offerToSave();
  }

  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("htmx:timeout", failed);
  document.addEventListener("htmx:responseError", failed);

  function again(cell) {
    window.htmx.trigger(cell, "change");
  }

  window.addEventListener("online", function () {
    form.querySelectorAll(".cell[data-again]").forEach(again);
  });

  form.addEventListener("focusout", function (event) {
    var cell = cellOf(event.target);
    if (cell) {
      delete cell.dataset.unsent; // sent just now, or typed back to what it was
    }
    if (cell === event.target && cell.dataset.again !== undefined) {
      again(cell);
    }
  });

  form.addEventListener("keydown", function (event) {
    if (event.key !== "Enter" || event.isComposing || event.target.tagName !== "INPUT") {
      return;
    }
    // Never the whole form: it would load the page anew.
    event.preventDefault();
    var cell = cellOf(event.target);
    if (event.target !== cell) {
      cell.focus(); // a reason: leaving its field saves it
      return;
    }
    var marks = Array.prototype.slice.call(form.querySelectorAll(".cell.grade"));
    var next = marks[marks.indexOf(cell) + (event.shiftKey ? -1 : 1)];
    if (next) {
      next.focus();
      next.select();
    } else {
      cell.blur();
      cell.focus();
    }
  });

  offerToSave();
})();
