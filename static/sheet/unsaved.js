/*
  What was typed and is not saved yet. It waits in the browser's storage, for this person, school
  and sheet alone, one item for each cell, so that two tabs do not overwrite each other's. An item
  is "due" once the cell is left, has the key of its `batch` once it is sent, and is "held" when the
  server did not take it. Those of a pasted block share a `block`: nothing of it is saved before all
  of it can be.
*/
import {all, answerOf, beside, form, one, part} from "./cells.js";

export const unsaved = new Map();
let stranded = [];
let drawer = "";

const labelOf = (cell) => `${drawer}${beside(cell, '[name^="row-"]').value} ${cell.name.split("-")[0]}`;

export const newKey = () =>
  [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("");

/* A full or forbidden storage is no reason to stop typing: the page itself still holds the text. */
function stored(work) {
  try {
    work(localStorage);
  } catch {
    // as above
  }
}

/* The text of a cell that the server took last, or that came with the page. */
const taken = new Map();
export const takenOf = (cell) => taken.get(cell) ?? cell.defaultValue;
export const take = (cell, text) => taken.set(cell, text);

let block = null;

/* What is put into cells meanwhile is one block. */
export function checkedTogether(work) {
  block = newKey();
  const done = work();
  block = null;
  return done;
}

export function keep(cell) {
  const reason = part(cell, "reason");
  unsaved.set(cell, {
    name: cell.labels[0].textContent,
    text: cell.value,
    seen: part(cell, "seen").value,
    reason: reason ? reason.value : unsaved.get(cell)?.reason ?? "",
    mine: Boolean(part(cell, "mine")?.checked),
    edit: newKey(),
    batch: null,
    block,
    due: false,
    held: false,
  });
  store(cell);
  badge(cell);
}

export function store(cell) {
  stored((storage) => storage.setItem(labelOf(cell), JSON.stringify(unsaved.get(cell))));
}

export function forget(cell) {
  const item = unsaved.get(cell);
  unsaved.delete(cell);
  stored((storage) => {
    const there = JSON.parse(storage.getItem(labelOf(cell)));
    if (there && there.edit === item?.edit) {
      storage.removeItem(labelOf(cell)); // else another tab's newer one
    }
  });
  cell.removeAttribute("data-unsaved");
  const answer = answerOf(cell);
  answer.querySelector("[data-not-yet]")?.remove();
  answer.querySelectorAll("[hidden]").forEach((each) => { each.hidden = false; });
  tally();
}

/* "Not yet saved" in place of the state that the cell had, which the next answer brings anew. */
export function badge(cell) {
  const answer = answerOf(cell);
  if (!answer.querySelector("[data-not-yet]")) {
    [...answer.children].forEach((each) => { each.hidden = !each.matches(".reason"); });
    answer.prepend(one("[data-badge]").content.cloneNode(true));
  }
  tally();
}

let announced = 0;

export function tally() {
  const shown = document.querySelector("[data-not-saved]");
  shown.textContent = unsaved.size + stranded.length;
  shown.parentNode.toggleAttribute("data-some", unsaved.size + stranded.length > 0);
  // Said only when something is held up: not at each key, while all goes well.
  const held = stranded.length + all(".cell[data-unsaved]").length;
  if (held !== announced) {
    announced = held;
    one("[data-held]").textContent = held ? `${held} not yet saved` : "All is saved.";
  }
}

/* Put back what an earlier page of this person left behind. */
function restore() {
  const byLabel = new Map(all(".cell").map((cell) => [labelOf(cell), cell]));
  stored((storage) => {
    for (const label of Object.keys(storage).filter((each) => each.startsWith(drawer))) {
      const item = JSON.parse(storage.getItem(label));
      const cell = byLabel.get(label);
      if (!cell || cell.readOnly) {
        stranded.push({label, words: `${item.name}: ${item.text || "(cleared)"}`});
      } else if (item.text === cell.defaultValue && !item.mine) {
        storage.removeItem(label); // it came through, and only the answer was lost
      } else {
        cell.value = item.text;
        // The value that it was typed over: what the office changed since is for the server to see.
        part(cell, "seen").value = item.seen;
        unsaved.set(cell, {...item, due: true});
        cell.setAttribute("data-unsaved", "");
        badge(cell);
      }
    }
  });
  showStranded();
}

function showStranded() {
  const box = one("[data-stranded]");
  const list = box.querySelector("ul");
  list.replaceChildren();
  stranded.forEach(({words}) => {
    const line = document.createElement("li");
    line.className = "typed";
    line.textContent = words;
    list.append(line);
  });
  box.hidden = !stranded.length;
  tally();
}

export function start() {
  const {school, person, section} = form.dataset;
  drawer = `schoolmarks-unsaved ${school} ${person} ${section} `;
  restore();
  one("[data-stranded] button").addEventListener("click", () => {
    stored((storage) => stranded.forEach(({label}) => storage.removeItem(label)));
    stranded = [];
    showStranded();
  });
  // Another tab found the same edit in the storage, and saved it.
  addEventListener("storage", ({key, oldValue, newValue}) => {
    for (const [cell, {edit, batch, text}] of unsaved) {
      if (!batch && !newValue && key === labelOf(cell) && JSON.parse(oldValue)?.edit === edit) {
        take(cell, text);
        forget(cell);
      }
    }
  });
  // It is all in the storage; but who leaves should know that it is not saved.
  let sends = false;
  form.addEventListener("submit", () => { sends = true; });
  addEventListener("somebody-else", () => {
    sends = true;
    location = "/"; // what stands on this page is not for them
  });
  addEventListener("beforeunload", (event) => {
    if (unsaved.size && !sends) {
      event.preventDefault();
    }
  });
}
