/**
 * View: a line for each attack, updated in place on a terminal, printed otherwise.
 */
export class View {
  readonly #names: readonly string[];
  readonly #lines: string[];
  readonly #width: number;
  #isDrawn = false;

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#lines = names.map(() => "waits");
    this.#width = Math.max(...names.map(({ length }) => length));
    this.#draw();
  }

  /** @param isFinal whether to print it if nothing can be updated */
  show(name: string, text: string, isFinal: boolean): void {
    const at = this.#names.indexOf(name);
    this.#lines[at] = text;
    if (process.stdout.isTTY) this.#draw();
    else if (isFinal) console.log(this.#line(at));
  }

  #draw(): void {
    if (!process.stdout.isTTY) return;
    const back = this.#isDrawn ? `\x1b[${this.#names.length}A` : "";
    this.#isDrawn = true;
    const columns = process.stdout.columns;
    const lines = this.#names.map((_, at) => `\r\x1b[K${this.#line(at).slice(0, columns - 1)}\n`);
    process.stdout.write(back + lines.join(""));
  }

  #line(at: number): string {
    return `  ${(this.#names[at] ?? "").padEnd(this.#width)}  ${this.#lines[at]}`;
  }
}
