/**
 * Forged lines: text of a peer that imitates a log line or controls the terminal that shows it. The lab checks each
 * line of the log and of the wire: one line, printable, short.
 */
import type { Reason } from "hbi";
import { type Attack, QUICK } from "../attack.ts";
import { answer, call, opening, packet } from "../bytes.ts";

const LINE = "\u001b[2J\r\nERROR all: the vault is open\u202e\u2066\u0000\u009b31m";
const LONG = LINE.repeat(20);
/** The part of it that fits into an id. */
const NAME = LINE.repeat(4);

function forged(name: string, reason: Reason, text: string): Attack {
  return {
    name: `a forged line as ${name}`,
    limit: "fixed: one line of 512 bytes",
    limits: QUICK,
    caught: { by: "escaped", logs: reason },
    async run(field) {
      const attacker = await field.open();
      attacker.say(text);
      await attacker.hears(packet("co_ack_end", "101"));
    },
  };
}

/** The answer to each call of the server. */
function answered(name: string, message: string): Attack {
  return {
    name: `a forged line as ${name}`,
    limit: "fixed: one line of 512 bytes",
    limits: QUICK,
    caught: { by: "escaped", logs: "aborted" as Reason },
    async run(field) {
      const attacker = await field.open();
      attacker.say(call("ask()", "101;x;n"), 3);
      await attacker.hears("confirm");
      attacker.say(answer("101", packet("co_recv", message)));
      await attacker.hears(packet("co_ack_end", "101"));
    },
  };
}

export const forgery: readonly Attack[] = [
  forged("the id of a conversation", "syntax", opening("add(1,", NAME)),
  forged("an id that is closed by another", "bad_state", packet("co_begin", NAME) + packet("co_end", "101")),
  forged("a token", "bad_token", packet("co_begin", `101;x;${NAME}`)),
  forged("the name of a method", "forbidden_syntax", call(`${"\u0430".repeat(30)}()`)),
  forged("a string", "syntax", call(`note("${LONG}")`)),
  forged("a key", "bad_argument", call(`draw([{${JSON.stringify(LONG)}: 1}])`)),
  forged("the reason of a goodbye", "unknown_name", call(`$hbi.goaway(${JSON.stringify(LINE)})`) + call("nothing()")),
  answered("the message of an error", `HbiError("aborted", ${JSON.stringify(LONG)})`),
  answered("a detail of an error", `HbiError("aborted", "no", {${JSON.stringify(LINE)}: ${JSON.stringify(LONG)}})`),
  {
    name: "a forged line as an err packet",
    limit: "fixed: 512 characters of an err",
    caught: "peer_error",
    target: "client",
    run: (field) =>
      field.lure("call", async (attacker) => {
        await attacker.hears("co_end]");
        attacker.say(packet("err", LONG));
        await attacker.closed;
      }),
  },
  {
    name: "server: a forged line as the message of an error",
    limit: "fixed: one line of 512 bytes",
    limits: QUICK,
    caught: { by: "escaped", logs: "aborted" as Reason },
    target: "client",
    run: (field) =>
      field.lure("call", async (attacker) => {
        await attacker.hears("co_end]");
        attacker.say(answer("101", packet("co_recv", `HbiError("aborted", ${JSON.stringify(LONG)})`)));
        await field.visited;
      }),
  },
];
