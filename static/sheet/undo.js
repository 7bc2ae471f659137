/* Undoing: steps of text before and after, together for a paste, a fill or a cleared block. */
import {form, go, put, tell} from "./cells.js";
import {takenOf} from "./unsaved.js";

const edits = [];
const texts = new Map(); // the text with which each cell was left last
let together = null;
let undoing = false;

const textOf = (cell) => texts.get(cell) ?? takenOf(cell);

function left({target: cell}) {
  if (!cell.matches(".cell")) {
    return;
  }
  const step = {cell, before: textOf(cell), after: cell.value};
  texts.set(cell, cell.value);
  if (step.before !== step.after && !undoing) {
    together ? together.push(step) : edits.push([step]);
  }
}

/* The server took `wrote` as `now` ("80.0" as 80). */
export function wasSaved(cell, wrote, now) {
  if (texts.get(cell) === wrote) {
    texts.set(cell, now);
  }
  edits.flat().filter((step) => step.cell === cell).forEach((step) => {
    step.before = step.before === wrote ? now : step.before;
    step.after = step.after === wrote ? now : step.after;
  });
}

/* Put texts into cells as one edit. Returns how many cells changed. */
export function putTogether(pairs) {
  const steps = together = [];
  pairs.forEach(([cell, text]) => put(cell, text));
  together = null;
  if (steps.length) {
    edits.push(steps);
  }
  return steps.length;
}

/* While something is half typed, undoing is the browser's. */
export const isWhole = (cell) => cell.value === textOf(cell);

export function undo() {
  tell("");
  while (edits.length) {
    // Typed over since: not what a person means to undo.
    const steps = edits.pop().filter(({cell, after}) => cell.value === after);
    if (steps.length) {
      undoing = true;
      steps.forEach(({cell, before}) => put(cell, before));
      undoing = false;
      go(steps[0].cell);
      return;
    }
  }
}

export function start() {
  form.addEventListener("change", left);
}
