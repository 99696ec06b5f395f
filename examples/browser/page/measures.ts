/**
 * What the page measures all the time: the rate of its uploads, and how long small calls take beside them.
 */
import type { Link } from "hbi";
import type { desk } from "../service.ts";
import { Chart } from "./chart.ts";
import { milliseconds, rate } from "./format.ts";
import { measureCalls } from "./latency.ts";
import { part, show } from "./parts.ts";
import { Recent } from "./recent.ts";

const POINT_MS = 500;

export class Measures {
  readonly #sent = new Recent(1_000);
  readonly #calls = new Recent(10_000);
  readonly #callsOfPoint = new Recent(POINT_MS);
  readonly #rateChart = new Chart(part(document, "#rate-chart", SVGElement), 1_000_000);
  readonly #callsChart = new Chart(part(document, "#calls-chart", SVGElement), 2);

  constructor(link: Link<typeof desk>) {
    measureCalls(link, (ms) => {
      this.#calls.add(ms);
      this.#callsOfPoint.add(ms);
    });
    setInterval(() => this.#show(), POINT_MS);
  }

  sent(count: number): void {
    this.#sent.add(count);
  }

  #show(): void {
    const sent = this.#sent.perSecond();
    this.#rateChart.push(sent);
    this.#callsChart.push(this.#callsOfPoint.quantile(1) ?? 0);
    show("rate", rate(sent));
    show("rate-highest", rate(this.#rateChart.highest));
    show("p50", milliseconds(this.#calls.quantile(0.5)));
    show("p99", milliseconds(this.#calls.quantile(0.99)));
  }
}
