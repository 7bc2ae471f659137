/*
  Deciding on a sheet by the keyboard: j and k (or the arrows, once a row has the focus) go from row
  to row, a ticks the row and goes on, d declines it, ? shows the keys. All of it has a box or a
  button too.
*/
const boxes = [...document.querySelectorAll("[data-review] input[type=checkbox]")];
const keys = document.querySelector("[data-keys]");

function go(from, step) {
  const to = boxes[from < 0 ? 0 : from + step];
  if (to) {
    to.focus();
    to.closest("tr").scrollIntoView({ block: "nearest" });
  }
}

function press(event) {
  const at = boxes.indexOf(document.activeElement);
  if (event.key === "j" || (event.key === "ArrowDown" && at >= 0)) {
    go(at, 1);
  } else if (event.key === "k" || (event.key === "ArrowUp" && at >= 0)) {
    go(at, -1);
  } else if (event.key === "a" && at >= 0) {
    boxes[at].checked = true;
    go(at, 1);
  } else if (event.key === "d" && at >= 0) {
    boxes[at].closest("tr").querySelector("button[name=decline]").click();
  } else if (event.key === "?") {
    keys.open = !keys.open;
    keys.scrollIntoView({ block: "nearest" });
  } else {
    return;
  }
  event.preventDefault();
}

if (keys) {
  keys.hidden = false;
  document.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) {
      press(event);
    }
  });
}
