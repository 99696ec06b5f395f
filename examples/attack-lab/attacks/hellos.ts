/**
 * False hellos: a peer that lies about its limits, its lanes or its definition, or says them again and again.
 */
import type { Reason } from "hbi";
import { type Attack, QUICK } from "../attack.ts";
import { answer, call, packet, times } from "../bytes.ts";
import type { Visit } from "../result.ts";
import { said } from "./conversations.ts";

const KEYS = ["m", "p", "nodes", "depth", "keys", "args", "digits", "calls", "statements", "body", "login"];
const token = (fields: string) => `100;x;n;${fields}`;
const hello = (fields: string) => packet("co_begin", token(fields)) + packet("co_end", "100");
const all = (count: number) => KEYS.map((key) => `${key}=${count}`).join(";");
const hash = (n: number) => (0x10000000 + n).toString(16);

const malformed = (name: string, fields: string, caught: Reason = "bad_token") =>
  said(`a hello ${name}`, `fixed: ${caught}`, caught, hello(fields));

/** What a client meets that has dialed such a server; calls of this side are refused before they are sent. */
function met(
  name: string,
  limit: string,
  caught: Attack["caught"],
  fields: string,
  does: Visit["does"] = "call",
): Attack {
  return {
    name: `server: a hello ${name}`,
    limit,
    limits: QUICK,
    target: "client",
    caught,
    run: (field) =>
      field.lure(does, async (attacker) => {
        await attacker.hears("co_end]");
        attacker.say(answer("100") + hello(fields));
        await Promise.race([attacker.closed, field.visited]);
      }),
  };
}

export const hellos: readonly Attack[] = [
  malformed("with no lanes", "m=100;p=262144;lanes=0;window=524288"),
  malformed("with a window of nothing", "m=100;p=262144;lanes=32;window=0"),
  malformed("with a window of 10^15 bytes", "m=100;p=262144;lanes=32;window=1000000000000000"),
  malformed("that says a definition twice", "m=1;def=depot;def=vault"),
  malformed("with a definition that controls the terminal", "m=1;def=\u001b[2J"),
  malformed("of 257 bytes", `m=1;hash=${"0".repeat(257)}`, "packet_too_big"),
  {
    name: "hellos without end, each with other limits and another definition",
    limit: "maxTurnPackets, maxTurnMs",
    caught: { by: "takes turns" },
    mostMib: 96,
    async run(field) {
      const attacker = await field.open();
      const some = Array.from({ length: 100 }, (_, i) =>
        hello(`${all(i + 1)};def=n${i};lanes=${i + 1};window=${i + 1}`),
      );
      await attacker.flood(times(5, some.join("")), 1_000, field.over);
    },
  },
  {
    name: "a window of a byte, and downloads that nobody gives credit for",
    limit: "maxInFlight, laneWindowBytes",
    caught: { by: "window" },
    async run(field) {
      const attackers = await field.openMany(field.many(20));
      const downloads = Array.from({ length: 32 }, (_, i) => call("fetch(60000000)", `${101 + i};x;n`)).join("");
      for (const attacker of attackers) attacker.say(hello("m=100;p=262144;lanes=32;window=1") + downloads, 98);
      await field.passes();
    },
  },
  {
    name: "server: a hello with another hash, in each of its calls",
    limit: "fixed: one description of a connection",
    limits: QUICK,
    target: "client",
    caught: { by: "asked once" },
    run: (field) =>
      field.lure("stay", async (attacker) => {
        await attacker.hears("co_end]");
        attacker.say(answer("100"));
        for (let n = 0; n < 1_000 && attacker.isOpen; n++)
          attacker.say(call("noticed(1)", `${101 + n};x;n;m=1;hash=${hash(n)}`), 3);
        await attacker.hears("co_ack_end]1100");
        const asked = attacker.recent(65_536).split("$hbi.describe").length - 1;
        field.must(asked <= 1, `asked ${asked} times`);
        await field.visited;
      }),
  },
  met("with limits of 1", "maxPacketBytes", { by: "refused early", logs: "packet_too_big" }, all(1), "stay"),
  met("with limits of 10^15 - 1", "callTimeoutMs", "timeout", all(999_999_999_999_999).slice(0, 230)),
  met("with no lanes", "fixed: bad_token", "bad_token", "m=100;p=262144;lanes=0;window=1"),
];
