/**
 * Peers that say that they take lanes, and then misuse them.
 */
import type { Reason } from "hbi";
import { type Attack, QUICK } from "../attack.ts";
import { call, KIB, opening, packet, times } from "../bytes.ts";
import { said } from "./conversations.ts";

/** The hello of a peer that takes lanes, and the packet behind which it sends frames. */
const HELLO = "100;x;n;m=100;p=262144;lanes=32;window=524288";
const SWITCH = `${packet("co_begin", HELLO)}${packet("co_end", "100")}[1#lanes]1`;
const framed = (lane: number, text: string) => `[${text.length}#${lane}]${text}`;
const control = (name: string, text: string) => `[${text.length}#${name}]${text}`;

const framing = (name: string, limit: string, caught: Reason, text: string) => said(name, limit, caught, SWITCH + text);

/** A body of unknown length on lane 1, and what the attacker hears in the end. */
const poured = (
  name: string,
  limit: string,
  caught: Attack["caught"],
  text: string,
  hears: string,
  begin = opening("pour()", "101;x;u"),
): Attack => ({
  name: `a body of unknown length ${name}`,
  limit,
  limits: QUICK,
  caught,
  async run(field) {
    const attacker = await field.open();
    attacker.say(SWITCH + opened(1, begin) + text);
    await attacker.hears(hears);
  },
});

/** Lanes that this side opens, with what it says on each. */
function opened(count: number, text = ""): string {
  const ids = Array.from({ length: count }, (_, i) => 2 * i + 1);
  return ids.map((id) => control("open", String(id)) + (text === "" ? "" : framed(id, text))).join("");
}

export const lanes: readonly Attack[] = [
  framing("a lane more than permitted", "maxLanes", "too_many_lanes", opened(33)),
  framing(
    "a byte more than the window of a lane",
    "laneWindowBytes",
    "bad_frame",
    opened(1, opening("postpone(900000)", "101;x;b=900000")) + framed(1, "x".repeat(64 * KIB - 1)).repeat(20),
  ),
  framing("data of a lane that was never opened", "fixed: bad_frame", "bad_frame", framed(7, "x")),
  framing("a frame of zero bytes", "fixed: bad_frame", "bad_frame", "[0#0]"),
  framing("credit beyond 2^31", "fixed: bad_frame", "bad_frame", control("credit", "0 2147483647")),
  framing("frames that nobody knows", "fixed: bad_frame", "bad_frame", control("priority", "0 1")),
  framing("raw data up to the end of lane 0", "fixed: bad_token", "bad_token", framed(0, opening("pour()", "101;x;u"))),
  poured(
    "that grows and grows",
    "maxBodyBytes",
    { by: "refused", logs: "body_too_big" },
    framed(1, "x".repeat(50_000)).repeat(9),
    "more than 100,000 bytes",
  ),
  poured(
    "that never ends",
    "dataRateWindowMs",
    { by: "refused", logs: "data_too_slow" },
    framed(1, "x"),
    "1 data_too_slow",
  ),
  poured(
    "that ends in its script",
    "fixed: truncated",
    { by: "refused" },
    "[1#end]1",
    "1 truncated",
    `${packet("co_begin", "101;x;u")}[6#]po`,
  ),
  framing("a packet of 256 KiB and a byte on a lane", "maxPacketBytes", "packet_too_big", opened(1, "[262145#]")),
  {
    name: "opening lanes and resetting them, in a loop",
    limit: "callsPerSecond",
    limits: { callsPerSecond: 1_000 },
    caught: { by: "delay", shows: ({ exchange }) => exchange.lastWords === "" },
    async run(field) {
      const attacker = await field.open();
      let next = 1;
      attacker.say(SWITCH);
      while (!field.over.aborted && attacker.isOpen) {
        let text = "";
        for (let i = 0; i < 1_000; i++, next += 2) {
          text +=
            control("open", String(next)) + framed(next, call("work(1)", "101;x;n")) + control("reset", String(next));
        }
        attacker.say(text, 3_000);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  },
  {
    name: "all lanes full of single bytes, and nobody reads them",
    limit: "laneWindowBytes, maxBufferedBytes",
    caught: { by: "window" },
    mostMib: 96,
    async run(field) {
      const attacker = await field.open();
      attacker.say(SWITCH + opened(32, opening("postpone(400000)", "101;x;b=400000")));
      const bytes = Array.from({ length: 32 }, (_, i) => framed(2 * i + 1, "x")).join("");
      await attacker.flood(times(100, bytes), 3_200, field.over);
    },
  },
  {
    name: "lanes opened, and silence",
    limit: "maxLanes",
    caught: { by: "nothing is held" },
    async run(field) {
      const attackers = await field.openMany(field.many(90));
      for (const attacker of attackers) attacker.say(SWITCH + opened(32));
    },
  },
];
