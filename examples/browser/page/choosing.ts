/**
 * Files that are dropped anywhere on the page, or chosen in the dialog of the browser; and what is to be done with them.
 */
import { ACTIONS, type Action } from "../../jobs/service.ts";
import { part } from "./parts.ts";

export function chosenAction(): Action {
  const { value } = part(document, "input[name=action]:checked", HTMLInputElement);
  return ACTIONS.find((action) => action === value) ?? "sha256";
}

export function onFiles(take: (files: readonly File[]) => void): void {
  const root = document.documentElement;
  const input = part(document, "#files", HTMLInputElement);

  input.addEventListener("change", () => {
    take(Array.from(input.files ?? []));
    input.value = ""; // the same file may be chosen again
  });

  let depth = 0; // of elements that have been entered and not left
  const move = (change: number) => {
    depth += change;
    root.classList.toggle("dropping", depth > 0);
  };
  const carriesFiles = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes("Files") === true;
  root.addEventListener("dragenter", (event) => carriesFiles(event) && move(1));
  root.addEventListener("dragleave", (event) => carriesFiles(event) && move(-1));
  root.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault()); // a drop is permitted
  root.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault(); // the browser would open the file
    move(-depth);
    take(Array.from(event.dataTransfer?.files ?? []));
  });
}
