/**
 * Servers that attack their clients: what a typed link meets when it has dialed the wrong address.
 */
import type { Reason } from "hbi";
import { type Attack, QUICK } from "../attack.ts";
import type { Attacker } from "../attacker.ts";
import { answer, call, KIB, packet, times } from "../bytes.ts";
import type { Field } from "../field.ts";
import type { Visit } from "../result.ts";

const target = "client";
const ended = "co_end]";
const list = (count: number) => Array.from({ length: count }, () => "1").join(",");

/** Waits for the first call, says something, and hears the end. */
function said(name: string, limit: string, caught: Reason, text: string, does: Visit["does"] = "call"): Attack {
  return {
    name: `server: ${name}`,
    limit,
    target,
    caught,
    limits: QUICK,
    run: (field) =>
      field.lure(does, async (attacker) => {
        await attacker.hears(ended);
        attacker.say(text);
        await Promise.race([attacker.closed, field.passes()]);
      }),
  };
}

function flood(name: string, limit: string, caught: Attack["caught"], head: string, piece: string): Attack {
  return {
    name: `server: ${name}`,
    limit,
    target,
    caught,
    limits: QUICK,
    run: (field) => field.lure("call", (attacker) => flooded(field, attacker, head, piece)),
  };
}

async function flooded(field: Field, attacker: Attacker, head: string, piece: string): Promise<void> {
  await attacker.hears(ended);
  attacker.say(head);
  await attacker.flood(times(200, piece), 200, field.over);
}

export const servers: readonly Attack[] = [
  flood("pushes without end", "maxTurnPackets, maxTurnMs", { by: "takes turns" }, "", call("noticed(1)")),
  flood("pushes that are refused", "maxFailures", "too_many_errors", "", call("no_such_thing(1)")),
  flood("pings", "maxPings", "rate_exceeded", "", call("$hbi.ping()")),
  flood(
    "an answer of scripts without end",
    "callTimeoutMs",
    "timeout",
    packet("co_ack_begin", "101"),
    packet("", "noticed(1)"),
  ),
  flood("an answer of nothing without end", "callTimeoutMs", "timeout", packet("co_ack_begin", "101"), "[0#]"),
  flood(
    "an answer of objects without end",
    "fixed: bad_state",
    "bad_state",
    packet("co_ack_begin", "101"),
    packet("co_recv", "3"),
  ),
  flood("objects outside of conversations", "fixed: bad_state", "bad_state", "", packet("co_recv", "3")),
  said("answers to calls never made", "fixed: bad_state", "bad_state", answer("999", packet("co_recv", "3"))),
  said("answered twice", "fixed: bad_state", "bad_state", answer("101", packet("co_recv", "0")).repeat(2)),
  said("never answers", "callTimeoutMs", "timeout", ""),
  said("an answer that is none", "fixed: bad_answer", "bad_answer", answer("101", packet("co_recv", '"three"'))),
  said(
    "a result of 256 KiB and a byte",
    "maxPacketBytes",
    "packet_too_big",
    `${packet("co_ack_begin", "101")}[262145#co_recv]`,
  ),
  said(
    "a result of 10,001 values",
    "maxNodes",
    "too_many_nodes",
    answer("101", packet("co_recv", `[${list(10_001)}]`)),
  ),
  said("a result nested without end", "maxDepth", "too_deep", answer("101", packet("co_recv", "[".repeat(250 * KIB)))),
  said("an answer begun and never ended", "callTimeoutMs", "timeout", packet("co_ack_begin", "101")),
  said(
    "raw data of a terabyte",
    "maxBodyBytes",
    "body_too_big",
    packet("co_ack_begin", "101") + packet("co_recv", '{"size": 1099511627776}'),
    "fetch",
  ),
  said(
    "raw data that does not come",
    "dataRateWindowMs",
    "data_too_slow",
    packet("co_ack_begin", "101") + packet("co_recv", '{"size": 1000000}'),
    "fetch",
  ),
  said("calls of this library by the wrong name", "maxFailures", "unknown_name", call("$hbi.nothing()")),
  said(
    "hostile last words",
    "fixed: 1,024 bytes of an err",
    "peer_error",
    packet("err", "\u001b[2Jowned\nat x (/etc/passwd)"),
  ),
  {
    name: "server: an answer, byte by byte",
    limit: "headerTimeoutMs",
    limits: QUICK,
    target,
    caught: "read_timeout",
    run: (field) =>
      field.lure("call", async (attacker) => {
        await attacker.hears(ended);
        await attacker.drip(packet("co_ack_begin", "101"), 150);
        await attacker.closed;
      }),
  },
  {
    name: "server: reads nothing",
    limit: "sendStallTimeoutMs, maxPostedInFlight",
    limits: { sendStallTimeoutMs: 1_000, maxPostedInFlight: 10_000, maxPostedWaiting: 100_000 },
    target,
    caught: "slow_reader",
    mostMib: 256,
    mostHeldMs: 250, // 20,000 calls of the client are told at once that they are lost
    run: (field) =>
      field.lure("post", async (attacker) => {
        attacker.deaf();
        await field.passes();
      }),
  },
];
