/*
  The mark sheet, beyond what htmx does: each edit gets a key, so that one sent twice counts once;
  a refused cell is marked as such and keeps what was typed; what is not saved yet waits in the
  browser's storage, for this person alone; and the keys are a spreadsheet's.
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

  // What is not saved yet: for each cell whether it was `sent` (the server may have it), is `due`
  // to be sent again, and what is in the storage. Each cell has an item of its own, so that two
  // tabs on one sheet do not overwrite each other's.
  var unsaved = new Map();
  var drawer = ["schoolmarks-unsaved", form.dataset.school, form.dataset.person, form.dataset.section, ""].join(" ");
  var stranded = [];

  function labelOf(cell) {
    var row = cell.closest("tr").querySelector('[name^="row-"]');
    return drawer + row.value + " " + cell.name.split("-")[0];
  }

  function part(cell, name) {
    return form.querySelector('[name="' + cell.name + "-" + name + '"]');
  }

  // A full or forbidden storage is no reason to stop typing: the page itself still holds the text.
  function stored(work) {
    try {
      return work(window.localStorage);
    } catch (error) {
      return null;
    }
  }

  function keep(cell) {
    var item = unsaved.get(cell) || {sent: false, due: false, reason: ""};
    var reason = part(cell, "reason");
    item.due = false; // leaving the cell sends it
    item.edit = cell.dataset.edit;
    item.reason = reason ? reason.value : item.reason;
    unsaved.set(cell, item);
    stored(function (storage) {
      storage.setItem(labelOf(cell), JSON.stringify({
        text: cell.value, edit: item.edit, seen: part(cell, "seen").value, reason: item.reason
      }));
    });
    markUnsaved(cell);
  }

  function forget(cell) {
    var item = unsaved.get(cell);
    unsaved.delete(cell);
    stored(function (storage) {
      var there = JSON.parse(storage.getItem(labelOf(cell)) || "null");
      if (there && item && there.edit === item.edit) { // else another tab's newer one
        storage.removeItem(labelOf(cell));
      }
    });
    cell.closest(".entry").querySelectorAll("[data-not-yet]").forEach(function (badge) {
      badge.parentNode.querySelectorAll("[hidden]").forEach(function (each) { each.hidden = false; });
      badge.remove();
    });
    tally();
  }

  // Instead of the state that the cell had before, which the next answer brings anew.
  function markUnsaved(cell) {
    var answer = cell.closest(".entry").querySelector(".answer");
    if (!answer.querySelector("[data-not-yet], [data-refused]")) {
      answer.querySelectorAll(".state, .state-note").forEach(function (each) { each.hidden = true; });
      var badge = document.createElement("span");
      badge.className = "state withheld";
      badge.dataset.notYet = "";
      badge.textContent = "not yet saved";
      answer.prepend(badge);
    }
    tally();
  }

  var announced = 0;

  function tally() {
    var all = unsaved.size + stranded.length;
    var shown = document.querySelector("[data-not-saved]");
    shown.textContent = all;
    shown.parentNode.hidden = false;
    // Said only when something is held up: not at each key, while all goes well.
    var held = stranded.length;
    unsaved.forEach(function (item) { held += item.sent && !item.flying ? 1 : 0; });
    if (held !== announced) {
      announced = held;
      form.querySelector("[data-held]").textContent = held ? held + " not yet saved" : "All is saved.";
    }
  }

  // Typed back, or restored, to what was sent last or came with the page: that is no new edit.
  function isBack(cell) {
    var item = unsaved.get(cell);
    var isSent = item && item.sent;
    if (cell.value !== (isSent ? cell.dataset.sent : given(cell))) {
      return false;
    }
    delete cell.dataset.unsent;
    if (!isSent) {
      forget(cell);
      return true;
    }
    cell.dataset.edit = item.sentEdit;
    keep(cell);
    if (!item.flying && !cell.hasAttribute("aria-invalid")) {
      item.due = true;
      later();
    }
    return true;
  }

  form.addEventListener("input", function (event) {
    var cell = cellOf(event.target);
    if (!cell) {
      return;
    }
    if (event.target === cell && isBack(cell)) {
      return;
    }
    cell.dataset.edit = newKey();
    cell.dataset.unsent = "";
    keep(cell);
  });

  form.addEventListener("htmx:configRequest", function (event) {
    var cell = cellOf(event.detail.elt);
    if (!cell) {
      return;
    }
    cell.dataset.edit = cell.dataset.edit || newKey();
    cell.dataset.sent = cell.value;
    delete cell.dataset.again;
    delete cell.dataset.unsent;
    keep(cell);
    var item = unsaved.get(cell);
    item.sent = item.flying = true;
    item.sentEdit = item.edit;
    var sending = event.detail.parameters;
    // Of the whole form, its own fields alone. (Said here once, and not at each cell of the page.)
    var row = cell.closest("tr").querySelector('[name^="row-"]').name;
    Array.from(new Set(event.detail.formData.keys())).forEach(function (name) {
      if (name !== row && name !== cell.name && name.indexOf(cell.name + "-") !== 0) {
        event.detail.formData.delete(name);
      }
    });
    sending.key = item.edit;
    sending.person = form.dataset.person;
    if (item.reason && !part(cell, "reason")) {
      sending[cell.name + "-reason"] = item.reason;
    }
    // Who signed in again elsewhere has a new token, and this page the old one.
    var token = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie);
    if (token) {
      event.detail.headers["X-CSRFToken"] = token[1];
    }
  });

  // Sending again what could not be saved: soon, then at growing distances.
  var pause = 2000;
  var timer = 0;

  function later() {
    var due = Array.from(unsaved.values()).some(function (item) { return item.due; });
    if (due && !timer) {
      timer = window.setTimeout(function () {
        pause = Math.min(pause * 2, 60000);
        sendAgain();
      }, pause);
    }
  }

  function sendAgain() {
    window.clearTimeout(timer);
    timer = 0;
    unsaved.forEach(function (item, cell) {
      // What somebody is typing at this moment goes when they leave the cell.
      if (item.due && !item.flying && !("unsent" in cell.dataset)) {
        again(cell);
      }
    });
    later();
  }

  ["online", "focus", "pageshow"].forEach(function (name) {
    window.addEventListener(name, sendAgain);
  });

  // What an earlier page of this person left behind.
  function restoreAll() {
    var cells = {};
    form.querySelectorAll(".cell").forEach(function (cell) { cells[labelOf(cell)] = cell; });
    stored(function (storage) {
      Object.keys(storage).forEach(function (label) {
        if (label.indexOf(drawer) !== 0) {
          return;
        }
        var kept;
        try {
          kept = JSON.parse(storage.getItem(label));
        } catch (error) {
          return; // cut off by a crash: the others are whole
        }
        var cell = cells[label];
        if (!cell || cell.readOnly) {
          stranded.push({label: label, text: kept.text});
        } else if (kept.text === cell.defaultValue) {
          storage.removeItem(label); // it came through, and only the answer was lost
        } else {
          cell.value = kept.text;
          cell.dataset.edit = kept.edit;
          cell.setAttribute("data-unsaved", "");
          // The value that it was typed over: what the office changed since is for the server to see.
          part(cell, "seen").value = kept.seen;
          cell.dataset.sent = kept.text;
          unsaved.set(cell, {
            sent: true, due: true, edit: kept.edit, sentEdit: kept.edit, reason: kept.reason
          });
          markUnsaved(cell);
        }
      });
    });
    showStranded();
    tally();
    sendAgain();
  }

  function showStranded() {
    var box = form.querySelector("[data-stranded]");
    var list = box.querySelector("ul");
    list.textContent = "";
    stranded.forEach(function (each) {
      var line = document.createElement("li");
      line.className = "typed";
      line.textContent = each.text || "(cleared)";
      list.append(line);
    });
    box.hidden = !stranded.length;
  }

  form.querySelector("[data-stranded] button").addEventListener("click", function () {
    stored(function (storage) {
      stranded.forEach(function (each) { storage.removeItem(each.label); });
    });
    stranded = [];
    showStranded();
    tally();
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
    var item = unsaved.get(cell);
    var isLast = item && item.edit === item.sentEdit;
    pause = 2000;
    if (item) {
      item.flying = false;
    }
    if (answer.querySelector("[data-refused]")) {
      cell.setAttribute("aria-invalid", "true");
      cell.setAttribute("data-unsaved", "");
      tally();
    } else {
      if (isLast) {
        forget(cell);
      } else if (item) {
        markUnsaved(cell); // more was typed meanwhile
        item.due = !("unsent" in cell.dataset);
        later();
      }
      var kept = answer.querySelector("[data-saved]");
      var wrote = cell.dataset.sent;
      cell.removeAttribute("aria-invalid");
      cell.removeAttribute("data-unsaved");
      // "80.0" was saved as 80: say so, unless something else is being typed by now.
      if (kept && cell.matches(".grade") && cell.value === cell.dataset.sent) {
        cell.value = kept.dataset.saved;
      }
      wasSaved(cell, wrote);
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
    var item = cell && unsaved.get(cell);
    if (cell && (status === 0 || status >= 500)) {
      cell.dataset.again = "";
      cell.setAttribute("data-unsaved", "");
    }
    if (item) {
      item.flying = false;
      // The others are no matter of time. They are tried when the page is opened again.
      item.due = status === 0 || status >= 500 || [401, 408, 429].indexOf(status) !== -1;
      tally();
      later();
    }
    offerToSave();
  }

  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("htmx:timeout", failed);
  document.addEventListener("htmx:responseError", failed);

  function again(cell) {
    window.htmx.trigger(cell, "change");
  }

  form.addEventListener("focusout", function (event) {
    var cell = cellOf(event.target);
    if (cell) {
      delete cell.dataset.unsent; // sent just now, or typed back to what it was
    }
    var item = cell && unsaved.get(cell);
    if (cell === event.target && item && item.sent && !item.flying && !cell.hasAttribute("aria-invalid")) {
      again(cell); // it is tried once more
    }
  });

  // The last text of a cell that was sent, or came with the page.
  var lastText = new Map();

  function given(cell) {
    return lastText.has(cell) ? lastText.get(cell) : cell.defaultValue;
  }

  // What can be undone: lists of steps, one list for each edit, paste or fill.
  var edits = [];
  var together = null;
  var undoing = false;

  function wasSaved(cell, wrote) {
    if (lastText.get(cell) === wrote && cell.matches(".grade") && !("unsent" in cell.dataset)) {
      lastText.set(cell, cell.value);
    }
    edits.forEach(function (steps) {
      steps.forEach(function (step) {
        if (step.cell === cell && step.after === wrote) {
          step.after = given(cell);
        }
      });
    });
  }

  // Before htmx sends it.
  form.addEventListener("change", function (event) {
    var cell = event.target;
    if (!cell.matches(".cell")) {
      return;
    }
    var before = given(cell);
    if (event.isTrusted && cell.value === before) {
      event.stopPropagation(); // restored, or typed back: there is nothing to send
      return;
    }
    if (cell.value !== before && !undoing) {
      var step = {cell: cell, before: before, after: cell.value};
      if (together) {
        together.push(step);
      } else {
        edits.push([step]);
      }
    }
    lastText.set(cell, cell.value);
  }, true);

  // As if it were typed and left.
  function put(cell, text) {
    if (cell.readOnly || cell.value === text) {
      return false;
    }
    cell.value = text;
    cell.dataset.edit = newKey();
    window.htmx.trigger(cell, "change");
    return true;
  }

  function putTogether(pairs) {
    together = [];
    pairs.forEach(function (pair) { put(pair[0], pair[1]); });
    var steps = together;
    together = null;
    if (steps.length) {
      edits.push(steps);
    }
    return steps.length;
  }

  function undo() {
    while (edits.length) {
      var steps = edits.pop().filter(function (step) {
        // Typed over since, or never taken: not what a person means to undo.
        return step.cell.value === step.after && !step.cell.hasAttribute("aria-invalid");
      });
      if (steps.length) {
        undoing = true;
        steps.forEach(function (step) { put(step.cell, step.before); });
        undoing = false;
        go(steps[0].cell);
        return;
      }
    }
  }

  // Cells as a table: columns of the whole sheet, from the first pupil to the last.
  function columnOf(cell) {
    var kind = cell.matches(".grade") ? ".cell.grade" : ".cell.comment";
    return Array.prototype.slice.call(form.querySelectorAll(kind));
  }

  function below(cell, by) {
    var column = columnOf(cell);
    return column[column.indexOf(cell) + by];
  }

  function beside(cell, kind) {
    return cell.closest("tr").querySelector(kind);
  }

  function go(cell) {
    if (cell) {
      cell.focus();
      if (cell.matches(".comment")) {
        // Never selected: a key would erase the whole comment.
        cell.setSelectionRange(cell.value.length, cell.value.length);
      }
    }
  }

  var stood = "";
  var pressed = false;

  form.addEventListener("focusin", function (event) {
    if (event.target.matches(".cell")) {
      stood = event.target.value;
      if (event.target.matches(".grade")) {
        event.target.select();
      }
    }
  });

  // A click sets the caret after the focus has come: then the mark is selected once more.
  form.addEventListener("pointerdown", function (event) {
    pressed = event.target.matches(".cell.grade") && event.target !== document.activeElement;
  });

  form.addEventListener("click", function (event) {
    var cell = event.target;
    if (pressed && cell === document.activeElement && cell.selectionStart === cell.selectionEnd) {
      cell.select();
    }
    pressed = false;
  });

  function restore(cell) {
    if (cell.value !== stood) {
      cell.value = stood;
      if (!isBack(cell)) {
        cell.dataset.edit = newKey();
        window.htmx.trigger(cell, "change"); // another text may have reached the server
      }
    }
    if (cell.matches(".grade")) {
      cell.select();
    }
  }

  function enter(event, cell) {
    if (cell.matches(".comment") && (event.shiftKey || event.altKey || event.ctrlKey)) {
      if (!event.shiftKey) {
        event.preventDefault();
        document.execCommand("insertText", false, "\n"); // the one way that the browser can undo
      }
      return;
    }
    if (cell.matches(".comment") && window.matchMedia("(pointer: coarse)").matches) {
      return; // a keyboard on the screen has no other key for a new line
    }
    event.preventDefault();
    var next = below(cell, event.shiftKey ? -1 : 1);
    if (!next && !event.shiftKey && cell.matches(".grade")) {
      next = form.querySelector(".cell.comment");
    }
    if (next) {
      go(next);
    } else {
      cell.blur();
      go(cell);
    }
  }

  function upOrDown(event, cell, by) {
    if (cell.matches(".grade")) {
      event.preventDefault();
      go(below(cell, by));
      return;
    }
    var caret = cell.selectionStart;
    if (caret !== cell.selectionEnd) {
      return;
    }
    var rest = by < 0 ? cell.value.slice(0, caret) : cell.value.slice(caret);
    if (rest.indexOf("\n") === -1) {
      // Lines may also be wrapped: the browser moves first, and where it cannot, the row changes.
      window.requestAnimationFrame(function () {
        var now = cell.selectionStart;
        if (now === caret || now === (by < 0 ? 0 : cell.value.length) && !wraps(cell)) {
          go(below(cell, by));
        }
      });
    }
  }

  function wraps(cell) {
    var style = window.getComputedStyle(cell);
    var padding = parseFloat(style.paddingTop) + parseFloat(style.paddingBottom);
    var lines = (cell.scrollHeight - padding) / parseFloat(style.lineHeight);
    return Math.round(lines) > cell.value.split("\n").length;
  }

  function across(event, cell, by) {
    var end = by < 0 ? 0 : cell.value.length;
    var whole = cell.matches(".grade") && cell.selectionStart === 0;
    var there = by < 0 ? cell.selectionStart : cell.selectionEnd;
    if (there !== end || (cell.selectionStart !== cell.selectionEnd && !whole)) {
      return;
    }
    var next = by < 0 && cell.matches(".comment") ? beside(cell, ".cell.grade") : null;
    if (by > 0 && cell.matches(".grade")) {
      next = beside(cell, ".cell.comment");
    }
    if (next) {
      event.preventDefault();
      go(next);
    }
  }

  form.addEventListener("keydown", function (event) {
    var cell = cellOf(event.target);
    if (!cell || event.isComposing) {
      return;
    }
    if (event.target !== cell) {
      if (event.key === "Enter" && event.target.tagName === "INPUT") {
        // Never the whole form: it would load the page anew. Leaving a reason saves it.
        event.preventDefault();
        cell.focus();
      }
      return;
    }
    var key = event.key.toLowerCase();
    var chord = event.ctrlKey || event.metaKey;
    if (key === "enter") {
      enter(event, cell);
    } else if (chord && !event.shiftKey && !event.altKey && key === "z") {
      if (edits.length && cell.value === given(cell)) {
        event.preventDefault();
        undo();
      }
    } else if (chord && !event.shiftKey && !event.altKey && key === "d") {
      event.preventDefault();
      var above = below(cell, -1);
      if (above) {
        put(cell, above.value);
        go(cell);
      }
    } else if (chord || event.altKey || event.shiftKey) {
      return;
    } else if (key === "arrowup" || key === "arrowdown") {
      upOrDown(event, cell, key === "arrowup" ? -1 : 1);
    } else if (key === "arrowleft" || key === "arrowright") {
      across(event, cell, key === "arrowleft" ? -1 : 1);
    } else if (key === "f2") {
      event.preventDefault();
      cell.setSelectionRange(cell.value.length, cell.value.length);
    } else if (key === "escape") {
      event.preventDefault();
      restore(cell);
    }
  });

  // Lines and tabs, as spreadsheets write them: a cell with either in it stands in quotes.
  function block(text) {
    var rows = [[]];
    var cells = /(?:"((?:[^"]|"")*)"|([^\t\n]*))(\t|\n|$)/gy;
    var source = text.replace(/\r\n?/g, "\n").replace(/\n$/, "");
    var found;
    while ((found = cells.exec(source)) !== null) {
      var plain = found[1] === undefined ? found[2] : found[1].replace(/""/g, '"');
      rows[rows.length - 1].push(plain);
      if (found[3] === "") {
        break;
      }
      if (found[3] === "\n") {
        rows.push([]);
      }
    }
    return rows;
  }

  function tell(words) {
    var notice = form.querySelector("[data-pasted]");
    notice.textContent = words;
    notice.hidden = !words;
  }

  function counted(n, one, many) {
    return n + " " + (n === 1 ? one : many);
  }

  form.addEventListener("paste", function (event) {
    var cell = event.target;
    if (!cell.matches(".cell.grade") || cell.readOnly) {
      return;
    }
    var rows = block(event.clipboardData.getData("text/plain"));
    var width = Math.max.apply(null, rows.map(function (row) { return row.length; }));
    if (rows.length === 1 && width === 1) {
      return; // text, for the browser
    }
    event.preventDefault();
    if (width > 2) {
      tell("Nothing was pasted: the block has " + width + " columns. Copy the marks, or the marks and beside them the comments.");
      return;
    }
    // Those who wait for a place stand apart: a block never runs over to them.
    var marks = Array.prototype.slice.call(cell.closest("tbody").querySelectorAll(".cell.grade"));
    marks = marks.slice(marks.indexOf(cell));
    var pairs = [];
    rows.slice(0, marks.length).forEach(function (row, n) {
      pairs.push([marks[n], row[0].trim()]);
      if (row.length > 1) {
        pairs.push([beside(marks[n], ".cell.comment"), row[1]]);
      }
    });
    var filled = putTogether(pairs);
    var over = rows.length - marks.length;
    var words = counted(filled, "entry was", "entries were") + " pasted.";
    if (over > 0) {
      words += " " + counted(over, "line", "lines") + " of the block did not fit: the class ends here.";
    }
    tell(words);
    go(cell);
  });

  offerToSave();
  restoreAll();
})();
