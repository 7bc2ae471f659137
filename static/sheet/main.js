/*
  The mark sheet: each edit saves itself, nothing typed is lost, and the keys are a spreadsheet's.
  Without JavaScript the sheet is one form with a button.
*/
import {form, one} from "./cells.js";
import {start as watchBlocks} from "./block.js";
import {start as watchKeys} from "./keys.js";
import {start as watchTexts} from "./undo.js";
import {start as watchUnsaved} from "./unsaved.js";
import {start as sendAll} from "./sending.js";

if (form) {
  one("table").setAttribute("role", "grid");
  one("table").setAttribute("aria-multiselectable", "true");
  one("[data-save-all]")?.remove(); // cells save themselves
  document.querySelectorAll("[data-scripted]").forEach((each) => { each.hidden = false; });
  [watchTexts, watchUnsaved, watchKeys, watchBlocks, sendAll].forEach((start) => start());
  import("../beside.js"); // the panel, after what every sheet needs
}
