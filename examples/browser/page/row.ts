/**
 * An upload in the list. Names of files and results are set as text only, so they cannot become markup.
 */
import { bytes, duration } from "./format.ts";
import { part } from "./parts.ts";
import { isOver, type Phase, type Upload } from "./uploads.ts";

export interface RowButtons {
  cancel(upload: Upload): void;
  again(upload: Upload): void;
}

const BUTTONS: Readonly<Record<Phase, { readonly label: string; readonly does: keyof RowButtons | "copy" }>> = {
  waiting: { label: "Cancel", does: "cancel" },
  offline: { label: "Cancel", does: "cancel" },
  sending: { label: "Cancel", does: "cancel" },
  working: { label: "Cancel", does: "cancel" },
  done: { label: "Copy", does: "copy" },
  cancelled: { label: "Send again", does: "again" },
  failed: { label: "Send again", does: "again" },
};

export class Row {
  readonly element: HTMLElement;
  readonly upload: Upload;
  readonly #button: HTMLButtonElement;
  readonly #progress: HTMLProgressElement;
  readonly #result: HTMLElement;
  readonly #detail: HTMLElement;

  constructor(template: HTMLTemplateElement, upload: Upload, buttons: RowButtons) {
    const copy = document.importNode(template.content, true);
    this.element = part(copy, "li", HTMLElement);
    this.upload = upload;
    this.#button = part(copy, "button", HTMLButtonElement);
    this.#progress = part(copy, "progress", HTMLProgressElement);
    this.#result = part(copy, ".result", HTMLElement);
    this.#detail = part(copy, ".detail", HTMLElement);
    part(copy, ".name", HTMLElement).textContent = upload.file.name;
    this.#progress.ariaLabel = upload.file.name;
    this.#button.addEventListener("click", () => {
      const { does } = BUTTONS[upload.phase];
      if (does === "copy") void this.#copy();
      else buttons[does](upload);
    });
    this.show();
  }

  /** The one button remains when it changes its purpose, so it keeps the focus. */
  show(): void {
    const { phase, file, sentBytes, outcome } = this.upload;
    const { label } = BUTTONS[phase];
    this.element.dataset["phase"] = phase;
    if (this.#button.textContent !== label) {
      this.#button.textContent = label;
      this.#button.ariaLabel = `${label}: ${file.name}`;
    }
    this.#progress.hidden = isOver(this.upload);
    this.#progress.value = file.size === 0 ? 0 : sentBytes / file.size;
    this.#result.hidden = phase !== "done";
    this.#result.textContent = phase === "done" ? outcome : "";
    this.#detail.textContent = detailOf(this.upload);
  }

  async #copy(): Promise<void> {
    getSelection()?.selectAllChildren(this.#result);
    try {
      await navigator.clipboard.writeText(this.upload.outcome);
      this.#button.textContent = "Copied";
    } catch {
      this.#button.textContent = "Selected"; // without TLS, or without permission, the user has to copy it
    }
  }
}

const ACTION_NAMES = { sha256: "SHA-256", crc32: "CRC-32", gzip: "Gzip size", lines: "Lines" } as const;

function detailOf(upload: Upload): string {
  const { phase, file, action, sentBytes, startedAt, endedAt, outcome } = upload;
  const size = bytes(file.size);
  switch (phase) {
    case "waiting":
      return `${size} · waiting`;
    case "sending":
      return [`${bytes(sentBytes)} of ${size}`, ...remaining(upload)].join(" · ");
    case "offline":
      return `${size} · is sent as soon as there is a connection`;
    case "working":
      return `${size} · sent, the service is working`;
    case "done":
      return `${ACTION_NAMES[action]} · ${size} in ${duration(endedAt - startedAt)}`;
    case "cancelled":
      return `${size} · cancelled`;
    case "failed":
      return outcome;
  }
}

/** A second is needed to know the rate. */
function remaining({ file, sentBytes, startedAt }: Upload): string[] {
  const ms = performance.now() - startedAt;
  if (ms < 1_000 || sentBytes === 0) return [];
  const perMs = sentBytes / ms;
  return [`${bytes(perMs * 1_000)}/s`, `${duration((file.size - sentBytes) / perMs)} left`];
}
