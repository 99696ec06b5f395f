/**
 * Servers that attack their clients: what a typed link meets after it has dialed the wrong address.
 */
import type { Reason } from "hbi";
import { type Attack, QUICK } from "../attack.ts";
import type { Attacker } from "../attacker.ts";
import { answer, call, KIB, MIB, packet, times } from "../bytes.ts";
import type { Field } from "../field.ts";
import type { Visit } from "../result.ts";

const target = "client";
const ended = "co_end]";
const list = (count: number) => Array.from({ length: count }, () => "1").join(",");

/** Waits for the first call, sends something, and waits for the end. */
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

function flood(
  name: string,
  limit: string,
  caught: Attack["caught"],
  head: string,
  piece: string,
  does: Visit["does"] = "call",
): Attack {
  return {
    name: `server: ${name}`,
    limit,
    target,
    caught,
    limits: QUICK,
    run: (field) => field.lure(does, (attacker) => flooded(field, attacker, head, piece)),
  };
}

async function flooded(field: Field, attacker: Attacker, head: string, piece: string): Promise<void> {
  await attacker.hears(ended);
  attacker.say(head);
  await attacker.flood(times(200, piece), 200, field.over);
}

const nested = (depth: number) => `${'{"items": '.repeat(depth)}{}${"}".repeat(depth)}`;

/** The text of a description with one method, whose result has this schema. */
function documentWith(schema: string): string {
  const method = `{"params": [], "body": "none", "result": ${schema}, "resultBody": "none", "idempotent": false}`;
  const rest = `"reactions": {}, "values": {}, "$defs": {}`;
  return `{"format": 1, "name": "x", "version": "1", "hash": "", "methods": {"f": ${method}}, ${rest}}`;
}

/** Answers each call with this text. */
async function described(field: Field, attacker: Attacker, text: string): Promise<void> {
  attacker.say(answer("100"));
  for (let id = 101; id < 121; id++) {
    await attacker.hears(`${id};x`);
    attacker.say(answer(String(id), packet("co_recv", text)));
  }
  await field.visited;
}

export const servers: readonly Attack[] = [
  flood("endless pushes", "maxTurnPackets, maxTurnMs", { by: "takes turns" }, "", call("noticed(1)")),
  flood(
    "pushes of another version",
    "maxTurnPackets, maxTurnMs",
    { by: "takes turns", logs: "unknown_name" },
    "",
    call("no_such_thing(1)"),
  ),
  flood("malformed pushes", "maxFailures", "too_many_errors", "", call("noticed(1,")),
  flood("pings", "maxTurnPackets, maxTurnMs", { by: "takes turns" }, "", call("$hbi.ping()")),
  flood(
    "endless call-backs",
    "maxInFlight, maxTurnMs",
    { by: "takes turns" },
    "",
    call('confirm("really?")', "101;x;n"),
  ),
  flood(
    "endless slow call-backs, while an answer is awaited",
    "maxHostedWaiting, maxInFlight",
    "overloaded",
    "",
    call("ponder(60000)", "101;x;n"),
  ),
  flood(
    "an endless answer of scripts",
    "callTimeoutMs",
    "timeout",
    packet("co_ack_begin", "101"),
    packet("", "noticed(1)"),
  ),
  flood("an endless empty answer", "callTimeoutMs", "timeout", packet("co_ack_begin", "101"), "[0#]"),
  flood(
    "an endless answer of objects",
    "callTimeoutMs",
    "timeout",
    packet("co_ack_begin", "101"),
    packet("co_recv", "3"),
  ),
  flood(
    "an endless answer of empty objects",
    "fixed: bad_answer",
    "bad_answer",
    packet("co_ack_begin", "101"),
    packet("co_recv", ""),
  ),
  flood(
    "raw data awaited, and endless empty objects",
    "fixed: bad_answer",
    "bad_answer",
    packet("co_ack_begin", "101"),
    packet("co_recv", ""),
    "fetch",
  ),
  flood("objects outside of conversations", "fixed: bad_state", "bad_state", "", packet("co_recv", "3")),
  said("answers to calls never made", "fixed: bad_state", "bad_state", answer("999", packet("co_recv", "3"))),
  said("answered twice", "fixed: bad_state", "bad_state", answer("101", packet("co_recv", "0")).repeat(2)),
  said("never answers", "callTimeoutMs", "timeout", ""),
  said("an invalid answer", "fixed: bad_answer", "bad_answer", answer("101", packet("co_recv", '"three"'))),
  said(
    "a result of 16 MiB and a byte",
    "maxPacketBytes",
    "packet_too_big",
    `${packet("co_ack_begin", "101")}[16777217#co_recv]`,
  ),
  {
    ...said(
      "a result of 1,000,001 values",
      "maxNodes",
      "too_many_nodes",
      answer("101", packet("co_recv", `[${list(1_000_001)}]`)),
    ),
    mostHeldMs: 2_000, // two megabytes, which are read before they are refused
    mostMib: 256,
  },
  {
    ...said(
      "a result of 999,999 empty objects",
      "maxNodes, maxPacketBytes",
      "bad_answer",
      answer("101", packet("co_recv", `[${"{},".repeat(999_998)}{}]`)),
    ),
    mostHeldMs: 2_000, // three megabytes, which are read before their schema refuses them
    mostMib: 512,
  },
  said("a malformed hello", "fixed: bad_token", "bad_token", call("$hbi.ping()", "100;x;n;m=1;p=1;nodes=0")),
  said("a result nested endlessly", "maxDepth", "too_deep", answer("101", packet("co_recv", "[".repeat(250 * KIB)))),
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
  said("unknown library methods", "fixed: unknown_name", "unknown_name", call("$hbi.nothing()")),
  said(
    "a hostile err packet",
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
  ...[
    "[".repeat(200_000),
    documentWith(nested(20_000)),
    documentWith('{"$ref": "#/$defs/__proto__"}'),
    "null",
    "{}",
  ].map(
    (document, i): Attack => ({
      name: `server: an invalid description, ${i + 1}`,
      limit: "fixed: bad_option",
      target,
      caught: { by: "refused" },
      limits: QUICK,
      mostHeldMs: 250, // twenty documents of 200 kB that JSON.parse refuses at their end
      run: (field) => field.lure("describe", (attacker) => described(field, attacker, JSON.stringify(document))),
    }),
  ),
  {
    name: "server: says goaway on each connection, and keeps its socket open",
    limit: "fixed: backoff",
    limits: { ...QUICK, handlerTimeoutMs: 500 },
    target,
    caught: { by: "backoff" },
    async run(field) {
      let dials = 0;
      let open = 0;
      let mostOpen = 0;
      await field.lure("stay", async (attacker) => {
        dials += 1;
        open += 1;
        mostOpen = Math.max(mostOpen, open);
        void attacker.closed.then(() => {
          open -= 1;
        });
        attacker.say(answer("100") + call("$hbi.goaway()", "101;x;n"));
        await field.visited;
      });
      field.remarks.push(`${dials} dials, ${mostOpen} connections at once`);
      field.must(dials > 1 && dials <= 16, `${dials} dials`); // each after twice the previous delay
      field.must(mostOpen <= 8, `${mostOpen} connections at once`);
    },
  },
  {
    name: "server: a byte of garbage beside ignored posts",
    limit: "fixed: bad_frame",
    target,
    caught: "bad_frame",
    mostHeldMs: 250, // 5,000 calls of the client at once
    run: (field) =>
      field.lure("forget", async (attacker) => {
        await attacker.hears(ended);
        attacker.say("?");
        await attacker.closed;
      }),
  },
  {
    name: "server: reads nothing",
    limit: "maxPostedWaitingBytes, maxPostedInFlight",
    limits: { maxPostedInFlight: 10_000, maxPostedWaiting: 100_000, maxPostedWaitingBytes: 8 * MIB },
    target,
    caught: "too_many_waiting",
    mostMib: 256,
    mostHeldMs: 250, // 20,000 calls of the client fail at once
    run: (field) =>
      field.lure("post", async (attacker) => {
        attacker.deaf();
        await field.passes();
      }),
  },
];
