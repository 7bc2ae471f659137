/* The keys of a spreadsheet. */
import {all, below, beside, cellOf, form, go, isMark, one, put} from "./cells.js";
import {clearBlock, collapse, extend, fillDown, isBlock} from "./block.js";
import {isWhole, undo} from "./undo.js";
import {takenOf} from "./unsaved.js";

const ARROWS = {arrowup: [-1, 0], arrowdown: [1, 0], arrowleft: [0, -1], arrowright: [0, 1]};
let here = null; // the cell that was entered last,
let stood = ""; // what it held then,
let isEdited = false; // and whether keys go into its text by now

function enter(event, cell) {
  const isComment = !isMark(cell);
  if (isComment && (event.shiftKey || event.altKey || event.ctrlKey)) {
    if (!event.shiftKey) {
      event.preventDefault();
      document.execCommand("insertText", false, "\n"); // the one way that the browser can undo
    }
  } else if (!isComment || !matchMedia("(pointer: coarse)").matches) { // a phone has no other key
    event.preventDefault();
    const next = below(cell, event.shiftKey ? -1 : 1);
    cell.blur();
    go(next || (isComment || event.shiftKey ? cell : one(".cell.comment")));
  }
}

function upOrDown(event, cell, by) {
  const caret = cell.selectionStart;
  const rest = by < 0 ? cell.value.slice(0, caret) : cell.value.slice(caret);
  if (isMark(cell)) {
    event.preventDefault();
    go(below(cell, by));
  } else if (caret === cell.selectionEnd && !rest.includes("\n")) {
    // Lines may also be wrapped: the browser moves first, and where it cannot, the row changes.
    requestAnimationFrame(() => {
      const now = cell.selectionStart;
      if (now === caret || (now === (by < 0 ? 0 : cell.value.length) && !wraps(cell))) {
        go(below(cell, by));
      }
    });
  }
}

function wraps(cell) {
  const {paddingTop, paddingBottom, lineHeight} = getComputedStyle(cell);
  const height = cell.scrollHeight - parseFloat(paddingTop) - parseFloat(paddingBottom);
  return Math.round(height / parseFloat(lineHeight)) > cell.value.split("\n").length;
}

/* At the ends of a text, or when all of a mark is selected, to the cell beside. */
function across(event, cell, by) {
  const {selectionStart: from, selectionEnd: to, value: {length}} = cell;
  const isWhole = isMark(cell) && from === 0 && to === length;
  if (isWhole || (from === to && from === (by < 0 ? 0 : length))) {
    const kinds = ["a.pupil", ".cell.grade", ".cell.comment"];
    const next = beside(cell, kinds[(isMark(cell) ? 1 : 2) + by]);
    if (next) {
      event.preventDefault();
      next.matches("a") ? next.focus() : go(next);
    }
  }
}

/* From the pupil's name, the first column. */
function fromName(event, name, [down, by]) {
  const mark = beside(name, ".cell.grade");
  const to = down && below(mark, down);
  if (down || by > 0) {
    event.preventDefault();
    to ? beside(to, "a.pupil").focus() : go(by > 0 && mark);
  }
}

/* To the next pupil without a mark, from the top again after the last. */
function nextMissing() {
  const marks = all("[data-enrolled] .cell.grade");
  const from = here ? marks.indexOf(beside(here, ".cell.grade")) + 1 : 0;
  go([...marks.slice(from), ...marks].find((mark) => !mark.value));
}

function press(event, cell) {
  const key = event.key.toLowerCase();
  const chord = event.ctrlKey || event.metaKey;
  const [down, by] = ARROWS[key] || [0, 0];
  const selects = event.shiftKey && !chord && !event.altKey && (down || by);
  const command = chord && !event.shiftKey && !event.altKey && key;
  let isDone = true;
  if (selects && (isBlock() || isMark(cell) || !cell.value)) {
    extend(cell, down, by);
  } else if (isBlock() && ["delete", "backspace"].includes(key)) {
    clearBlock();
  } else if (command === "d") {
    fillDown(cell);
  } else if (command === "z" && isWhole(cell)) {
    undo();
  } else if (key === "escape" && isBlock()) {
    collapse();
  } else if (key === "escape") {
    put(cell, cell.hasAttribute("aria-invalid") ? takenOf(cell) : stood);
    cell.setSelectionRange(isMark(cell) ? 0 : cell.value.length, cell.value.length);
  } else if (key === "f2") {
    edit(cell);
  } else {
    isDone = false;
  }
  if (isDone) {
    event.preventDefault();
  } else if (key === "enter") {
    enter(event, cell);
  } else if (!chord && !event.altKey && !event.shiftKey && (down || by)) {
    down ? upOrDown(event, cell, down) : across(event, cell, by);
  }
}

function edit(cell) {
  isEdited = true;
  cell.setSelectionRange(cell.value.length, cell.value.length);
}

function keydown(event) {
  const {target, key} = event;
  const cell = cellOf(target);
  if (event.isComposing) {
    return;
  }
  if (key === "F8") {
    event.preventDefault();
    nextMissing();
  } else if (target.matches("a.pupil")) {
    fromName(event, target, ARROWS[key.toLowerCase()] || [0, 0]);
  } else if (cell && target === cell) {
    press(event, cell);
  } else if (cell && key === "Enter" && target.matches("input")) {
    // Never the whole form: it would load the page anew. Leaving a reason saves it.
    event.preventDefault();
    cell.focus();
  }
}

export function start() {
  // As in a grid: Tab goes from cell to cell, an arrow from the mark to the name.
  all("a.pupil").forEach((name) => { name.tabIndex = -1; });
  form.addEventListener("keydown", keydown);
  form.addEventListener("focusin", ({target}) => {
    if (target.matches(".cell")) {
      here = target;
      stood = target.value;
      isEdited = false;
      if (isMark(target)) {
        target.select();
      }
    }
  });
  // A click selects a mark, to be replaced; a second one edits it.
  form.addEventListener("click", ({target}) => {
    if (target.matches(".cell.grade") && target === document.activeElement) {
      requestAnimationFrame(() => isEdited || target.select()); // after the browser's own caret
    }
  });
  form.addEventListener("dblclick", ({target}) => {
    if (target.matches(".cell.grade")) {
      edit(target);
    }
  });
  form.addEventListener("input", () => { isEdited = true; });
  addEventListener("signed-in", () => go(here));
  const button = document.querySelector("[data-next-missing]");
  button.addEventListener("click", nextMissing);
}
