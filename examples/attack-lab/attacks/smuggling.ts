/**
 * Packets hidden in raw data: a peer that relays a third party's data must be able to promise its length and nothing
 * else. Whatever happens to the call before the data, none of it runs, and what follows it is read, unless the call
 * claims more than was promised.
 */
import type { Reason } from "hbi";
import { type Attack, QUICK } from "../attack.ts";
import type { Attacker } from "../attacker.ts";
import { answer, call, opening, packet } from "../bytes.ts";
import type { Field } from "../field.ts";

/** The end of the current conversation, and a conversation of its own. */
const PIECE = packet("co_end", "101") + call("loot()", "103;x;n");
const DATA = PIECE.repeat(400);
const SIZE = DATA.length;
const ID = `101;x;b=${SIZE}`;

async function readsOn(field: Field, attacker: Attacker): Promise<void> {
  attacker.say(packet("co_end", "101") + call("add(20, 22)", "102;x;n"), 4);
  await attacker.hears(packet("co_ack_end", "102"));
  field.must(attacker.hasHeard(answer("102", packet("co_recv", "42"))), "what stands behind it was not read");
}

/** @param logs why the call before it fails; undefined if it does not */
function behind(what: string, code: string, logs?: Reason): Attack {
  return {
    name: `packets as raw data behind ${what}`,
    limit: "fixed: byte position",
    limits: QUICK,
    caught: { by: "skipped as promised", ...(logs === undefined ? {} : { logs }) },
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening(code, ID), 2);
      attacker.say(DATA, 0);
      await readsOn(field, attacker);
    },
  };
}

/** More than promised: it is uncertain which of the two is wrong. */
function overclaimed(what: string, code: string): Attack {
  return {
    name: `packets as raw data behind ${what}`,
    limit: "fixed: body_mismatch",
    caught: "body_mismatch",
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening(code, ID), 2);
      attacker.say(DATA, 0);
      attacker.say(packet("co_end", "101") + call("add(20, 22)", "102;x;n"), 4);
      await attacker.closed;
      field.must(!attacker.hasHeard(answer("102", packet("co_recv", "42"))), "what stands behind it was read");
    },
  };
}

/** Without a promise, what follows is uncertain: nothing is read. */
function unpromised(what: string, code: string, caught: Reason): Attack {
  return {
    name: `packets as raw data of no promised length behind ${what}`,
    limit: "fixed: position_lost",
    caught,
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening(code, "101;x"), 2);
      attacker.say(DATA, 0);
      await attacker.closed;
    },
  };
}

export const smuggling: readonly Attack[] = [
  behind("a call that reads it", `store(${SIZE})`),
  behind("a call that ignores it", `ignore(${SIZE})`),
  behind("a call that reads some of it by hand", "sip(1000)"),
  behind("a call that reads none of it by hand", "sip(0)"),
  behind("an unknown name", `no_such_thing(${SIZE})`, "unknown_name"),
  behind("a refused argument", 'store("all of it")', "bad_argument"),
  behind("a syntax error", "store(", "syntax"),
  behind("a call that plans less", `store(${SIZE - 1})`, "body_mismatch"),
  overclaimed("a call that plans more", `store(${SIZE + 1})`),
  behind("a call that plans none", "add(1, 2)", "body_mismatch"),
  behind("a script that fails before it", `ponder(); store(${SIZE})`, "unknown_name"),
  {
    name: "packets as raw data of a call that is given up in their middle",
    limit: "fixed: byte position",
    caught: { by: "skipped as promised", logs: "handler_timeout" },
    async run(field) {
      const attacker = await field.open();
      attacker.say(opening(`store(${SIZE})`, `${ID};d=200`), 2);
      attacker.say(DATA.slice(0, SIZE / 2), 0);
      await field.logs("handler_timeout");
      attacker.say(DATA.slice(SIZE / 2), 0);
      await readsOn(field, attacker);
    },
  },
  unpromised("an unknown name", "no_such_thing()", "unknown_name"),
  unpromised("a syntax error", "store(", "syntax"),
  unpromised("a length that is none", 'store("all of it")', "bad_argument"),
];
