/**
 * A chart of the last minute: a line and the area below it, in an SVG of the page. Its scale follows the highest value.
 */
const POINTS = 120;
const WIDTH = 120;
const HEIGHT = 40;

export class Chart {
  readonly #values: number[] = Array.from({ length: POINTS }, () => 0);
  readonly #least: number;
  readonly #area = path("area");
  readonly #line = path("line");

  /** @param least what the whole height shows at least */
  constructor(svg: SVGElement, least: number) {
    this.#least = least;
    svg.append(this.#area, this.#line);
    this.#draw();
  }

  get highest(): number {
    return Math.max(...this.#values);
  }

  /** One more point at the right end; the oldest one leaves. */
  push(value: number): void {
    this.#values.push(value);
    this.#values.shift();
    this.#draw();
  }

  #draw(): void {
    const scale = (HEIGHT - 2) / Math.max(this.#least, this.highest);
    const points = this.#values.map((value, index) => {
      const x = (index * WIDTH) / (POINTS - 1);
      return `${x.toFixed(2)},${(HEIGHT - 1 - value * scale).toFixed(2)}`;
    });
    this.#line.setAttribute("d", `M${points.join("L")}`);
    this.#area.setAttribute("d", `M0,${HEIGHT}L${points.join("L")}L${WIDTH},${HEIGHT}Z`);
  }
}

function path(className: string): SVGPathElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", "path");
  element.setAttribute("class", className);
  return element;
}
