/*
  Many edits travel together: while a batch is on its way, what is typed waits for the next. A
  batch that was not answered is sent again as it was, under its key, so that it counts once.
*/
import {answerOf, beside, cellOf, counted, form, isMark, one, all, part} from "./cells.js";
import {badge, forget, keep, newKey, store, take, takenOf, tally, unsaved} from "./unsaved.js";
import {wasSaved} from "./undo.js";
import {post, settle} from "../schoolmarks.js";

const MOST = 300; // cells of a batch, and characters:
const LONGEST = 200000;
const SOON = 2000; // milliseconds until it is tried again, twice as long each time, up to:
const LATEST = 60000;

const unanswered = []; // batches, the oldest first
let busy = false;
let pause = SOON;
let timer = 0;

/* Something was typed into a cell, or beside it. */
function typed(cell) {
  const [, sent] = unanswered.flatMap(({edits}) => edits).findLast(([each]) => each === cell) || [];
  const isInvalid = cell.hasAttribute("aria-invalid");
  keep(cell);
  const {text, reason, mine} = unsaved.get(cell);
  if (sent && sent.text === text && sent.reason === reason && sent.mine === mine) {
    unsaved.set(cell, {...sent}); // typed back to what is on its way,
    store(cell);
  } else if (!sent && !isInvalid && !mine && text === takenOf(cell)) {
    forget(cell); // or to what was there: that is no new edit
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
    item.due ||= item.held && !cell.hasAttribute("aria-invalid");
  });
  soon(0);
}

function soon(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(send, milliseconds);
}

function batchOf(key, some) {
  const edits = some.map(([cell, item]) => {
    Object.assign(item, {batch: key, due: false, held: false});
    store(cell);
    return [cell, {...item}];
  });
  unanswered.push({key, edits});
}

function nextBatch() {
  let length = 0;
  const due = [...unsaved].filter(([, item]) => item.due);
  const fits = due.filter(([, {text}], n) => n < MOST && ((length += text.length) < LONGEST || !n));
  if (fits.length) {
    batchOf(newKey(), fits);
  }
}

function bodyOf({key, edits}) {
  const body = new URLSearchParams({key, person: form.dataset.person});
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
  document.querySelector("[data-missing]").textContent = all('[data-enrolled] [data-saved=""]').length;
  document.querySelector("[data-waiting]").textContent =
    all(".answer > .waiting, .answer > .conflict").length;
  say(edits.map(([cell]) => cell));
  settle();
}

function show(cell, {text, edit}, answer) {
  const item = unsaved.get(cell);
  const isLast = item.edit === edit; // else more was typed meanwhile
  const isRefused = Boolean(answer.querySelector("[data-refused]"));
  swap(cell, answer);
  cell.toggleAttribute("data-unsaved", isRefused);
  if (isRefused && isLast) {
    cell.setAttribute("aria-invalid", "true");
    Object.assign(item, {batch: null, held: true});
    tally();
  } else if (!isRefused) {
    const now = isMark(cell) ? answer.querySelector("[data-saved]").dataset.saved : text;
    // "80.0" was saved as 80: say so, unless something else is being typed by now.
    if (isLast && cell.value === text) {
      cell.value = now;
    }
    cell.removeAttribute("aria-invalid");
    take(cell, now);
    wasSaved(cell, text, now);
  }
  if (!isLast) {
    badge(cell);
  } else if (!isRefused) {
    forget(cell);
  }
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
  const refused = cells.filter((cell) => cell.hasAttribute("aria-invalid"));
  const [first] = [...refused, ...cells];
  const state = `${first.labels[0].textContent}: ${answerOf(first).innerText.replace(/\s+/g, " ").trim()}`;
  const many = `${counted(cells.length, "entry", "entries")} sent, ${refused.length} refused. `;
  one("[data-said]").textContent = cells.length > 1 ? many + (refused.length ? state : "") : state;
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
  const batches = new Map();
  for (const each of unsaved) {
    const key = each[1].batch;
    if (key) {
      batches.set(key, [...(batches.get(key) || []), each]);
    }
  }
  batches.forEach((some, key) => batchOf(key, some));
  ["online", "focus", "pageshow", "signed-in"].forEach((name) => addEventListener(name, tryAgain));
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
