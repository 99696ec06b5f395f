/**
 * The list of uploads: a row for each, the newest first. Results stay until they are cleared.
 */
import type { Link } from "hbi";
import type { Action, JobResult } from "../../jobs/service.ts";
import type { desk } from "../service.ts";
import { part } from "./parts.ts";
import { Row } from "./row.ts";
import { isOver, type Upload, Uploads } from "./uploads.ts";

const MOST_NEWS = 20;

export class UploadList {
  readonly #uploads: Uploads;
  readonly #rows = new Map<Upload, Row>();
  readonly #list = part(document, "#uploads", HTMLElement);
  readonly #template = part(document, "#row", HTMLTemplateElement);
  readonly #clear = part(document, "#clear", HTMLButtonElement);
  readonly #empty = part(document, "#empty", HTMLElement);
  readonly #news = part(document, "#news", HTMLElement);

  /** @param sent is told of each part of a file that the connection has taken */
  constructor(link: Link<typeof desk>, sent: (bytes: number) => void) {
    this.#uploads = new Uploads(link, { changed: (upload) => this.#changed(upload), sent });
    this.#clear.addEventListener("click", () => this.#clearFinished());
    setInterval(() => this.#showProgress(), 200);
    addEventListener("beforeunload", (event) => {
      if (!this.#all.every(isOver)) event.preventDefault(); // the browser asks
    });
  }

  get #all(): readonly Upload[] {
    return [...this.#rows.keys()];
  }

  add(file: File, action: Action): void {
    const upload = this.#uploads.add(file, action);
    const row = new Row(this.#template, upload, this.#uploads);
    this.#rows.set(upload, row);
    this.#list.prepend(row.element);
    this.#showWhatThereIs();
  }

  /** The service has pushed a result. */
  done(id: number, result: JobResult): void {
    this.#uploads.done(id, result);
  }

  #changed(upload: Upload): void {
    this.#rows.get(upload)?.show();
    if (isOver(upload)) this.#tell(`${upload.file.name}: ${upload.phase === "failed" ? upload.outcome : upload.phase}`);
    this.#showWhatThereIs();
  }

  #showProgress(): void {
    for (const [upload, row] of this.#rows) if (upload.phase === "sending") row.show();
  }

  #showWhatThereIs(): void {
    this.#empty.hidden = this.#rows.size > 0;
    this.#clear.hidden = !this.#all.some(isOver);
  }

  #clearFinished(): void {
    for (const [upload, row] of this.#rows) {
      if (!isOver(upload)) continue;
      row.element.remove();
      this.#rows.delete(upload);
      this.#uploads.forget(upload);
    }
    this.#showWhatThereIs();
    part(document, "#files", HTMLInputElement).focus(); // the button that had the focus is hidden
  }

  /** For those who do not see the list. */
  #tell(news: string): void {
    const line = document.createElement("p");
    line.textContent = news;
    this.#news.append(line);
    if (this.#news.childElementCount > MOST_NEWS) this.#news.firstElementChild?.remove();
  }
}
