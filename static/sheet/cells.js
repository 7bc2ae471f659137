/* The cells of the mark sheet as a table: rows of pupils, a column of marks, one of comments. */

export const form = document.querySelector("[data-sheet]");
export const one = (selector) => form.querySelector(selector);
export const all = (selector) => [...form.querySelectorAll(selector)];

export const KINDS = [".cell.grade", ".cell.comment"];
export const isMark = (cell) => cell.matches(".grade");
export const kindOf = (cell) => KINDS[isMark(cell) ? 0 : 1];
export const rowOf = (cell) => cell.closest("tr");
export const beside = (cell, kind) => rowOf(cell).querySelector(kind);
export const answerOf = (cell) => cell.closest(".entry").querySelector(".answer");

/* What stands beside a cell: what the page showed there, the reason, the tick. */
export const part = (cell, name) => one(`[name="${cell.name}-${name}"]`);

/* The cell that an element belongs to: itself, or the one that a reason or a tick stands beside. */
export const cellOf = (element) => element?.closest(".entry")?.querySelector(".cell");

export function below(cell, by) {
  const column = all(kindOf(cell));
  return column[column.indexOf(cell) + by];
}

export function go(cell) {
  cell?.focus();
  if (cell?.matches(".comment")) {
    // Never selected: a key would erase the whole comment.
    cell.setSelectionRange(cell.value.length, cell.value.length);
  }
}

/* As if it were typed and left. */
export function put(cell, text) {
  if (!cell.readOnly && cell.value !== text) {
    cell.value = text;
    ["input", "change"].forEach((name) => cell.dispatchEvent(new Event(name, {bubbles: true})));
  }
}

export const counted = (n, single, many) => `${n} ${n === 1 ? single : many}`;

export function tell(words) {
  const notice = one("[data-told]");
  notice.textContent = words;
  notice.hidden = !words;
}
