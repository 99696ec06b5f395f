/**
 * The list of attacks is complete, and what the attacker receives is judged correctly. The attacks themselves are in
 * attacks.long.test.ts.
 */
import { PRESETS } from "hbi";
import { describe, expect, it } from "vitest";
import { ATTACKS } from "../../../examples/attack-lab/attacks/all.ts";
import { answer, packet } from "../../../examples/attack-lab/bytes.ts";
import { complaint, Told } from "../../../examples/attack-lab/told.ts";

it("each attack has a name of its own", () => {
  const names = ATTACKS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

/** What nobody can attack: what this side does by itself. */
const NOT_ATTACKED = ["maxPostedWaiting", "closeTimeoutMs"];

it("each limit has an attack", () => {
  const attacked = ATTACKS.flatMap(({ limit }) => limit.split(", "));
  expect(Object.keys(PRESETS.public).filter((limit) => !attacked.includes(limit))).toEqual(NOT_ATTACKED);
});

describe("what a peer receives", () => {
  it.each([
    ["no such name: add", undefined],
    ["two\nlines", "not printable ASCII"],
    ["Error at foo (file)", "a stack"],
    ["cannot read /etc/passwd", "a path"],
    ["disconnected by 10.0.0.1:51034", "an address"],
    ["x".repeat(513), "513 bytes"],
  ])("%s", (line, what) => {
    if (what === undefined) expect(complaint(line)).toBeUndefined();
    else expect(complaint(line)).toContain(what);
  });

  it("is read from whatever pieces it comes in, up to raw data", () => {
    const text = answer("101", packet("co_recv", 'HbiError("aborted","why \\"")')) + packet("err", "bye!");
    for (const size of [1, 2, 7, text.length]) {
      const told = new Told();
      for (let at = 0; at < text.length; at += size) told.take(text.slice(at, at + size));
      expect([...told.lines]).toEqual(['why "', "bye!"]);
      expect(told.lastWords).toBe("bye!");
    }
  });
});
