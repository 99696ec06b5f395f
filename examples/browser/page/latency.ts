/**
 * Small calls, made all the time to see what they take beside the uploads.
 */
import type { Link } from "hbi";
import type { desk } from "../service.ts";

const EVERY_MS = 100;
const MOST_IN_FLIGHT = 20;

/** Calls are made at their times, whether the last one is answered or not: a delay shows in each call that it concerns. */
export function measureCalls(link: Link<typeof desk>, onAnswer: (ms: number) => void): void {
  let inFlight = 0;
  let number = 0;
  setInterval(async () => {
    if (link.state !== "open" || inFlight === MOST_IN_FLIGHT) return;
    inFlight += 1;
    number += 1;
    const start = performance.now();
    try {
      await link.call.echo({ number });
      onAnswer(performance.now() - start);
    } catch {
      // the connection is lost, as the page shows
    } finally {
      inFlight -= 1;
    }
  }, EVERY_MS);
}
