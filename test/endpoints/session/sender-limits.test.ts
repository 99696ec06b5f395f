/**
 * What a peer says that it accepts is respected by the sender alone: of a script at the limit everything is sent, of one
 * beyond it nothing, so that the peer has nothing to refuse.
 */
import { HostingEnv } from "hbi";
import { conversation, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { BarePeer } from "../../support/pair.ts";

/** Long enough that the text is not left to the peer. */
const PAD = `"${"x".repeat(64)}"`;
const many = (count: number, each: (i: number) => string) => Array.from({ length: count }, (_, i) => each(i));

type Script = (count: number) => string;
const KINDS: readonly [name: string, key: string, limit: string, reason: string, script: Script][] = [
  [
    "statements",
    "statements",
    "maxStatements",
    "too_many_statements",
    (count) => many(count, () => `tell(${PAD})`).join("\n"),
  ],
  [
    "statements that assign",
    "statements",
    "maxStatements",
    "too_many_statements",
    (count) => many(count, (i) => `slot_${i} = ${PAD}`).join("; "),
  ],
  [
    "nested calls",
    "calls",
    "maxCallsPerScript",
    "too_many_calls",
    (count) => `${"tell(".repeat(count)}${PAD}${")".repeat(count)}`,
  ],
  [
    "calls one after the other",
    "calls",
    "maxCallsPerScript",
    "too_many_calls",
    (count) => many(count, () => `tell(${PAD})`).join("\n"),
  ],
  ["arguments", "args", "maxArguments", "too_many_arguments", (count) => `tell(${many(count, () => PAD).join(", ")})`],
  [
    "arguments by name",
    "keys",
    "maxObjectKeys",
    "too_many_keys",
    (count) => `tell(${many(count, (i) => `a${i}=${PAD}`).join(", ")})`,
  ],
];

describe("a sender respects what only the peer has said", () => {
  for (const [name, key, limit, reason, script] of KINDS) {
    it.each([1, 3, 40])(`${name}: %i, and one more`, async (most) => {
      const peer = new BarePeer(new HostingEnv());
      void peer.connection.start();
      await peer.say(conversation(`100;x;n;m=9;${key}=${most}`));
      const { posting } = peer.connection;

      const refused = await posting.notif(script(most + 1)).catch((thrown: unknown) => thrown);
      await quiet();
      expect(refused).toMatchObject({
        code: "resource_exhausted",
        reason,
        mayHaveLanded: false,
        details: { limit, actual: most + 1, allowed: most },
      });
      expect(peer.heard()).not.toContain(PAD);

      await posting.notif(script(most));
      await quiet();
      expect(peer.heard()).toContain(script(most));
      peer.destroy(); // it would not answer a farewell
    });
  }

  it("and nothing that the peer has not said", async () => {
    const peer = new BarePeer(new HostingEnv(), {
      limits: { maxStatements: 2, maxCallsPerScript: 2, maxArguments: 2 },
    });
    void peer.connection.start();
    await peer.say(conversation("100;x;n;m=9"));
    for (const [, , , , script] of KINDS) {
      void peer.connection.posting.notif(script(5)).catch(() => undefined);
      await quiet();
      expect(peer.heard()).toContain(script(5));
    }
    peer.destroy(); // it would not answer a farewell
  });
});
