/* A block of cells: selected with Shift, copied, cut, cleared, filled, pasted. */
import {all, cellOf, counted, form, go, isMark, kindOf, KINDS, one, rowOf, tell} from "./cells.js";
import {putTogether} from "./undo.js";
import {checkedTogether} from "./unsaved.js";

let anchor = null; // the corner that has the focus, and the one opposite to it
let corner = null;

export const isBlock = () => corner !== null;
const rows = () => all("tr:has(.cell)");
const placeOf = (cell) => [rows().indexOf(rowOf(cell)), isMark(cell) ? 0 : 1];

/* The block's cells, row by row. */
function block() {
  const [[row, column], [toRow, toColumn]] = [placeOf(anchor), placeOf(corner)];
  const kinds = KINDS.slice(Math.min(column, toColumn), Math.max(column, toColumn) + 1);
  return rows().slice(Math.min(row, toRow), Math.max(row, toRow) + 1)
    .map((each) => kinds.map((kind) => each.querySelector(kind)));
}

export function collapse() {
  all("[aria-selected]").forEach((each) => each.removeAttribute("aria-selected"));
  anchor = corner = null;
}

function select(from, to) {
  collapse();
  [anchor, corner] = [from, to];
  const some = block().flat();
  from.dispatchEvent(new Event("change", {bubbles: true})); // what was typed there is done
  some.forEach((cell) => cell.closest("td").setAttribute("aria-selected", "true"));
  one("[data-said]").textContent = `${counted(some.length, "cell", "cells")} selected, to ${to.labels[0].textContent}`;
  to.scrollIntoView({block: "nearest"});
}

/* Move the block's corner by rows and columns; a block begins at `cell`. */
export function extend(cell, down, across) {
  const [row, column] = placeOf(corner || cell);
  const to = rows()[row + down]?.querySelector(KINDS[column + across] || "none");
  if (to) {
    select(anchor || cell, to);
  }
}

export const clearBlock = () => putTogether(block().flat().map((cell) => [cell, ""]));

/* Copy the first row of the block into the others; without a block the cell above into this one. */
export function fillDown(cell) {
  const above = rows()[placeOf(cell)[0] - 1]?.querySelector(kindOf(cell));
  const [first, ...rest] = isBlock() ? block() : [[above || cell], [cell]];
  putTogether(rest.flatMap((row) => row.map((each, n) => [each, first[n].value])));
  go(cell);
}

// Lines and tabs, as spreadsheets write them: a cell with either in it stands in quotes.
const quoted = (text) => (/["\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const written = () =>
  block().map((row) => row.map(({value}) => quoted(value)).join("\t")).join("\n");

function read(text) {
  const lines = [[]];
  const source = text.replace(/\r\n?/g, "\n").replace(/\n$/, "");
  for (const [, inQuotes, plain, end] of source.matchAll(/(?:"((?:[^"]|"")*)"|([^\t\n]*))(\t|\n|$)/gy)) {
    lines.at(-1).push(plain ?? inQuotes.replaceAll('""', '"'));
    if (end === "") {
      break;
    }
    if (end === "\n") {
      lines.push([]);
    }
  }
  return lines;
}

/* The lines of a block without the heading that was copied with it. */
function withoutHeading(lines) {
  const isHeading = lines[0].every((text) => /^(marks?|comments?)$/i.test(text.trim()));
  return isHeading && lines.length > 1 ? lines.slice(1) : lines;
}

function paste(event) {
  const text = event.clipboardData.getData("text/plain");
  const isTable = /\t/.test(text) || /<table/i.test(event.clipboardData.getData("text/html"));
  const lines = withoutHeading(read(text));
  const width = Math.max(...lines.map((line) => line.length));
  const isOne = lines.length === 1 && width === 1;
  const target = isBlock() ? block().flat() : [event.target];
  const [start] = target;
  if (!isBlock() && !isTable && (isOne || !isMark(start))) {
    return; // text, for the browser
  }
  event.preventDefault();
  if (isOne && !isBlock()) {
    document.execCommand("insertText", false, lines[0][0]);
    return;
  }
  const kinds = KINDS.slice(KINDS.indexOf(kindOf(start)));
  if (width > kinds.length) {
    tell(`Nothing was pasted: the block has ${width} columns. Copy the marks, or the marks and beside them the comments.`);
    return;
  }
  // Those who wait for a place stand apart: a block never runs over to them.
  const into = rows().slice(placeOf(start)[0]).filter((row) => row.parentNode === rowOf(start).parentNode);
  const pairs = isOne
    ? target.map((cell) => [cell, lines[0][0]])
    : lines.slice(0, into.length).flatMap((line, n) =>
      line.map((each, column) => [into[n].querySelector(kinds[column]), each]));
  const filled = checkedTogether(() =>
    putTogether(pairs.map(([cell, each]) => [cell, isMark(cell) ? each.trim() : each])));
  const over = isOne ? 0 : lines.length - into.length;
  tell(`${counted(filled, "entry was", "entries were")} pasted.` + (over > 0
    ? ` ${counted(over, "line", "lines")} of the block did not fit: the class ends here.` : ""));
  go(start);
}

function copy(event) {
  if (isBlock()) {
    event.preventDefault();
    event.clipboardData.setData("text/plain", written());
    tell(`${counted(block().flat().length, "entry was", "entries were")} copied.`);
    if (event.type === "cut") {
      clearBlock();
    }
  }
}

export function start() {
  ["copy", "cut"].forEach((name) => form.addEventListener(name, copy));
  form.addEventListener("paste", (event) => {
    if (event.target.matches(".cell") && !event.target.readOnly) {
      paste(event);
    }
  });
  form.addEventListener("pointerdown", (event) => {
    const to = event.target.matches(".cell") && event.target;
    const from = anchor || cellOf(document.activeElement);
    if (event.shiftKey && to && from && from !== to) {
      event.preventDefault(); // the focus stays at the first corner
      select(from, to);
    } else {
      collapse();
    }
  });
  // A key that changes a text, and leaving the cell, end it.
  form.addEventListener("beforeinput", collapse);
  form.addEventListener("focusout", collapse);
}
