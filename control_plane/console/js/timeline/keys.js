// The desk by keyboard.
import { desk, redo, undo } from "./desk.js";
import { lengthOf } from "./film.js";
import { seek, toggle } from "./monitor.js";
import { playhead } from "./desk.js";
import { cut, removeChosen, shift } from "./tools.js";

const TYPING = "input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";

export function keysOf(event) {
  if (event.defaultPrevented || event.target.closest?.(TYPING)) return;
  const act = actionOf(event);
  if (!act) return;
  event.preventDefault();
  act();
}

function actionOf(event) {
  const { key, altKey, shiftKey } = event;
  const isCommand = event.ctrlKey || event.metaKey;
  if (isCommand) return key.toLowerCase() === "z" ? (shiftKey ? redo : undo) : key === "y" ? redo : null;
  if (altKey) return { ArrowLeft: () => shift(-1), ArrowRight: () => shift(1) }[key];
  const isOnControl = event.target.closest?.("button, a, summary, [role=slider], [role=tab], input");
  const step = (shiftKey ? 1 : 1 / desk.get().film.output.fps) * (key === "ArrowLeft" ? -1 : 1);
  if (key === "s" || key === "S") return cut;
  if (key === "Delete" || key === "Backspace") return removeChosen;
  if (key === " " && !event.target.closest?.("button:not(.clip), a, summary, input")) return toggle;
  if (isOnControl && !event.target.closest?.(".clip")) return null;
  if (key === "ArrowLeft" || key === "ArrowRight") return () => seek(playhead.get().time + step);
  if (key === "Home") return () => seek(0);
  if (key === "End") return () => seek(lengthOf(desk.get().film));
  return null;
}
