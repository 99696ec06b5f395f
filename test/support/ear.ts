/**
 * Hears what would have ended the process: rejections that nobody handles, exceptions out of timers and events.
 */

import { quiet } from "hbi/testing";
import { afterAll, afterEach, beforeAll, expect } from "vitest";

/** Each test of the file fails when it leaves something unheard. Gives what has been heard so far, for what else is expected of it. */
export function hearsNothing(): () => Promise<unknown[]> {
  const heard: unknown[] = [];
  const hear = (what: unknown) => void heard.push(what);
  beforeAll(() => {
    process.on("unhandledRejection", hear);
    process.on("uncaughtException", hear);
  });
  const soFar = async (): Promise<unknown[]> => {
    await quiet();
    return heard.splice(0);
  };
  afterEach(async () => expect(await soFar()).toEqual([]));
  afterAll(() => {
    process.off("unhandledRejection", hear);
    process.off("uncaughtException", hear);
  });
  return soFar;
}
