/* Beside a pupil of the sheet: comments to insert, earlier terms; how long the comment is. */
const form = document.querySelector("[data-sheet]");
const panel = document.querySelector("[data-beside-panel]");
const bar = document.querySelector("[data-at-comment]");
const body = panel?.querySelector("[data-body]");
const segmenter = new Intl.Segmenter();
let comment; // the cell to insert into
let caret; // there, before a save could move it
let from; // where the focus returns to

/* Characters as a person counts them, and as the server does. */
const length = (text) => [...segmenter.segment(text)].length;

function open(row, opener) {
  from = opener;
  comment = row.querySelector(".cell.comment");
  caret = opener === comment ? [comment.selectionStart, comment.selectionEnd] : [];
  body.textContent = "Loading…";
  panel.showModal();
  htmx.ajax("GET", `${row.querySelector("a.pupil").pathname}beside/`, {source: body});
}

/* As if typed and left. */
function insert(text) {
  const {value} = comment;
  const [start = value.length, end = start] = caret;
  const before = /\S$/.test(value.slice(0, start)) ? " " : "";
  const after = /^\S/.test(value.slice(end)) ? " " : "";
  comment.setRangeText(before + text + after, start, end, "end");
  ["input", "change"].forEach((name) => comment.dispatchEvent(new Event(name, {bubbles: true})));
}

function grow(cell) {
  if (!CSS.supports("field-sizing", "content")) {
    cell.style.height = "auto";
    cell.style.height = `${cell.scrollHeight + 2}px`;
  }
}

/* Shown from four fifths on, said aloud once. */
function count(cell) {
  const most = Number(form.dataset.commentLimit);
  const n = cell.value.length < most * 0.8 ? 0 : length(cell.value);
  const words = n > most ? "This comment is longer than the school allows." : "";
  const [number, over] = bar.querySelectorAll("[data-count], [data-over]");
  number.textContent = n >= most * 0.8 ? `${n} of ${most} characters` : "";
  if (over.textContent !== words) {
    over.textContent = words;
  }
}

function keydown(event) {
  const {target, key} = event;
  if (key === "F4" && target.closest("tr")) {
    event.preventDefault();
    open(target.closest("tr"), target);
  }
}

function click({target}) {
  if (target.closest("[data-beside]")) {
    open(comment.closest("tr"), comment);
  }
}

function clickInPanel({target}) {
  const button = target.closest("[data-insert]");
  if (button) {
    from = comment;
  }
  if (button || target === panel || target.closest("[data-close]")) {
    panel.close();
  }
  if (button) {
    insert(button.closest("li").querySelector("[data-text]").textContent);
  }
}

function upOrDown(event) {
  const by = {ArrowDown: 1, ArrowUp: -1}[event.key];
  const buttons = [...panel.querySelectorAll("[data-insert]")];
  if (by && buttons.includes(event.target)) {
    event.preventDefault();
    buttons[buttons.indexOf(event.target) + by]?.focus();
  }
}

function entered({target}) {
  if (target.matches(".cell.comment")) {
    comment = target;
    bar.hidden = false;
    count(target);
  }
}

function loaded({target}) {
  if (target === body) {
    const all = body.querySelectorAll("[data-insert]");
    all.forEach((button) => { button.hidden = comment.readOnly; });
    all[0]?.focus();
  }
}

if (form && panel) {
  form.addEventListener("keydown", keydown);
  document.addEventListener("click", click);
  form.addEventListener("focusin", entered);
  entered({target: document.activeElement});
  form.addEventListener("focusout", ({relatedTarget}) => { bar.hidden = !bar.contains(relatedTarget); });
  bar.addEventListener("pointerdown", (event) => event.preventDefault()); // the cell keeps the focus
  form.addEventListener("input", ({target}) => {
    if (target.matches(".cell.comment")) {
      count(target);
      grow(target);
    }
  });
  panel.addEventListener("click", clickInPanel);
  panel.addEventListener("keydown", upOrDown);
  panel.addEventListener("close", () => {
    body.replaceChildren();
    body.removeAttribute("data-unsaved");
    from.focus();
  });
  panel.addEventListener("htmx:afterSwap", loaded);
  panel.addEventListener("htmx:configRequest", ({detail}) => {
    if (detail.verb === "post") detail.parameters.comment = comment.value; // never in an address
  });
  // The page says why.
  panel.addEventListener("htmx:afterRequest", ({detail}) => { if (!detail.successful) panel.close(); });
}
