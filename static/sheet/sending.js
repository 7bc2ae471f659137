/*
  Many edits travel together: while a batch is on its way, what is typed waits for the next. A
  batch that was not answered is sent again as it was, under its key, so that it counts once.
*/
import {answerOf, beside, cellOf, counted, form, isMark, one, all, part, tell} from "./cells.js";
import {badge, forget, keep, newKey, store, take, takenOf, tally, unsaved} from "./unsaved.js";
import {wasSaved} from "./undo.js";
import {post, settle} from "../schoolmarks.js";

const MOST = 300; // cells of a batch, and characters:
const LONGEST = 200000;
const SOON = 2000; // milliseconds until it is tried again, twice as long each time, up to:
const LATEST = 60000;

const unanswered = []; // batches, the oldest first
const refused = new Map(); // for each cell of which something was refused, what stood beside it before
let busy = false;
let pause = SOON;
let timer = 0;

/* Something was typed into a cell, or beside it. */
function typed(cell) {
  const [, sent] = unanswered.flatMap(({edits}) => edits).findLast(([each]) => each === cell) || [];
  const kept = refused.get(cell);
  keep(cell);
  const {text, reason, mine} = unsaved.get(cell);
  if (sent && sent.text === text && sent.reason === reason && sent.mine === mine) {
    unsaved.set(cell, {...sent}); // typed back to what is on its way,
    store(cell);
  } else if (!sent && !mine && !reason && text === takenOf(cell)) {
    if (kept) { // or to what was there: that is no new edit
      answerOf(cell).replaceWith(kept);
      settled(cell);
    }
    forget(cell);
  }
}

/* A cell was left. */
function left(cell) {
  const item = unsaved.get(cell);
  if (item?.batch) {
    soon(0); // who comes back to what was not answered has it tried at once
  } else if (item && !item.held) {
    item.due = true;
    cell.toggleAttribute("data-unsaved", pause > SOON); // nothing gets through
    tally();
    if (pause === SOON) {
      soon(0);
    }
  }
}

/* Another time, or another person signed in: what was held up may pass now. What was refused waits
   until it is typed anew. */
function tryAgain() {
  unsaved.forEach((item, cell) => {
    item.due ||= item.held && !item.block && !cell.hasAttribute("aria-invalid");
  });
  soon(0);
}

/* What could be taken of a block of which something was refused. */
function sendRest() {
  unsaved.forEach((item, cell) => {
    if (item.block && !cell.hasAttribute("aria-invalid")) {
      Object.assign(item, {block: null, held: false, due: true});
    }
  });
  soon(0);
}

function soon(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(send, milliseconds);
}

function batchOf(key, some) {
  const edits = some.map(([cell, item]) => {
    Object.assign(item, {batch: key, due: false, held: false, seen: part(cell, "seen").value});
    store(cell);
    return [cell, {...item}];
  });
  unanswered.push({key, edits});
}

function nextBatch() {
  let length = 0;
  const all = [...unsaved].filter(([, item]) => item.due);
  const due = all.filter(([, {block}]) => block === all[0][1].block);
  const fits = due.filter(([, {text}], n) => n < MOST && ((length += text.length) < LONGEST || !n));
  if (fits.length) {
    batchOf(newKey(), fits);
  }
}

function bodyOf({key, edits}) {
  const body = new URLSearchParams({key, person: form.dataset.person, block: edits[0][1].block ?? ""});
  edits.forEach(([cell, {text, seen, reason, mine}]) => {
    const row = beside(cell, '[name^="row-"]');
    const name = cell.name;
    Object.entries({[row.name]: row.value, [name]: text, [`${name}-seen`]: seen, [`${name}-reason`]: reason})
      .forEach(([field, value]) => body.set(field, value));
    if (mine) {
      body.set(`${name}-mine`, "on");
    }
  });
  return body;
}

async function send() {
  if (!unanswered.length) {
    nextBatch();
  }
  const [batch] = unanswered;
  if (busy || !batch) {
    return;
  }
  busy = true;
  const {status, words} = await post(form.dataset.save, bodyOf(batch), form.dataset.school);
  busy = false;
  const isForTime = status === 0 || status >= 500 || [401, 408, 429].includes(status);
  if (!isForTime) {
    unanswered.shift();
    pause = SOON;
  }
  if (status === 200 || status === 422) {
    answered(batch, words);
  } else {
    failed(batch, isForTime);
  }
  soon(isForTime ? pause : 0);
  pause = isForTime ? Math.min(pause * 2, LATEST) : SOON;
}

function answered({edits}, html) {
  const page = document.createElement("template");
  page.innerHTML = html;
  edits.forEach(([cell, sent]) => show(cell, sent, page.content.getElementById(`${cell.name}-answer`)));
  const counts = page.content.querySelector("[data-counts]").dataset;
  ["missing", "waiting"].forEach((name) => {
    document.querySelector(`[data-${name}]`).textContent = counts[name];
  });
  offerNext();
  one(".warnings:not(:empty)") && all(".warnings").forEach((each) => each.replaceChildren());
  page.content.querySelectorAll("[data-of]").forEach((warnings) => {
    one(`[value="${warnings.dataset.of}"]`)?.closest("tr").querySelector(".warnings").replaceChildren(warnings);
  });
  say(edits.map(([cell]) => cell));
  if (!one("[aria-invalid]")) {
    sendRest(); // what a block was held up by is mended
  }
  settle();
}

/* The way to the next pupil without a mark, while there is one. */
function offerNext() {
  const missing = document.querySelector("[data-missing]").textContent;
  document.querySelector("[data-next-missing]").hidden = missing === "0";
}

function show(cell, {text, edit}, answer) {
  const item = unsaved.get(cell);
  const isLast = item.edit === edit; // else more was typed meanwhile
  const isRefused = Boolean(answer.querySelector("[data-refused]"));
  const isHeld = Boolean(answer.querySelector("[data-not-yet]")); // with a block that is not saved
  if (isRefused || isHeld) {
    refused.set(cell, refused.get(cell) ?? before(cell));
  }
  swap(cell, answer);
  cell.toggleAttribute("data-unsaved", isRefused || isHeld);
  if ((isRefused || isHeld) && isLast) {
    cell.toggleAttribute("aria-invalid", false);
    if (isRefused) {
      cell.setAttribute("aria-invalid", "true");
    }
    Object.assign(item, {batch: null, held: true});
    tally();
  } else if (!isRefused && !isHeld) {
    const now = isMark(cell) ? answer.querySelector("[data-saved]").dataset.saved : text;
    // "80.0" was saved as 80: say so, unless something else is being typed by now.
    if (isLast && cell.value === text) {
      cell.value = now;
    }
    settled(cell);
    take(cell, now);
    wasSaved(cell, text, now);
  }
  if (!isLast) {
    badge(cell);
  } else if (!isRefused && !isHeld) {
    forget(cell);
  }
}

function settled(cell) {
  refused.delete(cell);
  cell.removeAttribute("aria-invalid");
}

/* What stood beside a cell before something of it was refused. */
function before(cell) {
  const answer = answerOf(cell).cloneNode(true);
  answer.querySelector("[data-not-yet]")?.remove();
  [...answer.children].forEach((each) => { each.hidden = false; });
  return answer;
}

/* What somebody is typing beside the cell at this moment stays, and so does the focus. */
function swap(cell, answer) {
  const old = answerOf(cell);
  const focused = old.contains(document.activeElement) && document.activeElement;
  old.replaceWith(answer);
  if (focused) {
    const again = part(cell, "reason") || cell;
    again.value = focused.name === again.name ? focused.value : again.value;
    again.focus();
  }
}

/* For who does not see the states appear: they are said, with the name of the cell. */
function say(cells) {
  const invalid = cells.filter((cell) => cell.hasAttribute("aria-invalid"));
  const [first] = [...invalid, ...cells];
  const state = `${first.labels[0].textContent}: ${answerOf(first).innerText.replace(/\s+/g, " ").trim()}`;
  // Whatever was answered just now: a block that is held up stays so when another cell is saved.
  sayOfBlock([...unsaved].some(([cell, {block, held}]) =>
    block && held && !cell.hasAttribute("aria-invalid")));
  const many = `${counted(cells.length, "entry", "entries")} sent, ${invalid.length} refused. `;
  one("[data-said]").textContent = cells.length > 1 ? many + (invalid.length ? state : "") : state;
}

/* Where nothing of a pasted block is saved yet, what was told of pasting it is told there. */
function sayOfBlock(isHeldUp) {
  const told = one("[data-told]");
  one("[data-rest]").hidden = !isHeldUp;
  if (isHeldUp && !told.hidden) {
    one("[data-told-of-block]").textContent = told.textContent;
    tell("");
  }
}

function failed({edits}, isForTime) {
  edits.forEach(([cell, {edit}]) => {
    const item = unsaved.get(cell);
    cell.setAttribute("data-unsaved", "");
    if (!isForTime && item.edit === edit) {
      Object.assign(item, {batch: null, held: true});
    }
  });
  tally();
}

export function start() {
  offerNext();
  const batches = new Map();
  for (const each of unsaved) {
    const key = each[1].batch;
    if (key) {
      batches.set(key, [...(batches.get(key) || []), each]);
    }
  }
  batches.forEach((some, key) => batchOf(key, some));
  ["online", "focus", "pageshow", "signed-in"].forEach((name) => addEventListener(name, tryAgain));
  one("[data-rest] button").addEventListener("click", sendRest);
  Object.entries({input: typed, change: left, focusout: left}).forEach(([name, listener]) => {
    form.addEventListener(name, (event) => {
      const cell = cellOf(event.target);
      if (cell) {
        listener(cell);
      }
    });
  });
  tryAgain();
}
