/**
 * What only the Go reference does: a long err, several objects for one call, an object inside the answer to another
 * call.
 */
import { readFileSync } from "node:fs";
import { defineService, HbiError, Link, type LogEntry, method } from "hbi";
import { answer, hostileTransport, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const service = defineService({
  name: "go",
  version: "1.0.0",
  methods: {
    fail: method({ params: { why: z.string() }, result: z.string() }),
    note: method({ params: {} }),
    add: method({ params: { a: z.int(), b: z.int() }, result: z.int() }),
  },
});

/** A host without the extension: it repeats ids as they are. */
async function goHost() {
  const { transport, peer } = hostileTransport();
  const log: LogEntry[] = [];
  const link = await new Link(service, async () => transport, {}, { log: (entry) => void log.push(entry) }).open();
  await quiet();
  const [hello] = /100;[^[]*/.exec(peer.heard()) as RegExpExecArray;
  peer.say(answer(hello));
  await quiet();
  /** The ids of the conversations that have begun since it was asked last. */
  const begun = async (): Promise<string[]> => {
    await quiet();
    return [...peer.heard().matchAll(/#co_begin\]([^[]*)/g)].map(([, id]) => String(id));
  };
  return { link, peer, log, begun };
}

const caught = (promise: Promise<unknown>) =>
  promise.then(
    (value) => value,
    (thrown: unknown) => thrown,
  );

interface Recorded {
  readonly packets: readonly { readonly from: string; readonly dir?: string; readonly payload?: string }[];
}

function recordedWords(name: string): string {
  const { packets }: Recorded = JSON.parse(
    readFileSync(new URL(`../../system/conformance/transcripts/${name}.json`, import.meta.url), "utf8"),
  );
  return packets.find(({ dir }) => dir === "err")?.payload ?? expect.fail("no last words");
}

describe("the err of a host whose function has panicked", () => {
  const recorded = recordedWords("failing-script-go");
  const more = "\n\truntime/panic.go:884\nmain.main.func1.16";

  it.each<[string, string]>([
    ["as recorded", recorded],
    ["as recorded with another server", recordedWords("failing-script-py-client-go-server")],
    ["of 1,557 bytes", recorded.padEnd(1_557, more)],
    ["as long as they may be", recorded.padEnd(65_536, more)],
  ])("are told to the caller: %s", async (_, words) => {
    const { link, peer, log } = await goHost();
    const call = caught(link.call.fail({ why: "boom" }));
    await quiet();
    peer.say(packet("err", words));
    const error = (await call) as HbiError;
    expect(error).toBeInstanceOf(HbiError);
    expect(error).toMatchObject({ code: "aborted", reason: "peer_error" });
    expect(error.message).toMatch(/^fail: peer error: landing error: boom\\npkg\.source[\x20-\x7e]*\.\.\.$/);
    expect(error.message).toHaveLength(512);
    expect(log.filter(({ error: { reason } }) => reason === "packet_too_big")).toEqual([]);
    await link.closed;
  });

  it("are too much with one byte more", async () => {
    const { link, peer } = await goHost();
    const call = caught(link.call.fail({ why: "boom" }));
    await quiet();
    peer.say(packet("err", recorded.padEnd(65_537, more)));
    const error = (await call) as HbiError;
    expect(error.message).toContain("packet too big");
    peer.reset();
    await link.closed;
  });
});

describe("several objects for a call with one result", () => {
  it("fail that call alone", async () => {
    const { link, peer, begun } = await goHost();
    const calls = [caught(link.call.add({ a: 1, b: 2 })), caught(link.call.add({ a: 3, b: 4 }))];
    const [first, second] = (await begun()) as [string, string];
    const value = (text: string) => packet("co_recv", text);
    peer.say(answer(first, value("3"), value("4"), value("5")) + answer(second, value("7")));
    expect(await calls[0]).toMatchObject({ code: "internal", reason: "bad_answer" });
    expect(await calls[1]).toBe(7);
    const after = caught(link.call.add({ a: 5, b: 6 }));
    const [third] = (await begun()) as [string];
    peer.say(answer(third, value("11")));
    expect(await after).toBe(11);
    peer.reset();
    await link.closed;
  });
});

describe("the object that co_send asks for, inside the answer to another call", () => {
  // Before the result of another call nothing tells it apart: it is taken as that result.
  const rows: [string, (link: Link<typeof service>) => Promise<unknown>, string[], unknown][] = [
    ["of a call without a result", (link) => link.call.note({}), ["42"], undefined],
    ["behind the result", (link) => link.call.add({ a: 1, b: 2 }), ["3", "42"], 3],
  ];
  it.each(rows)("finds who asked for it: %s", async (_, call, objects, result) => {
    const { link, peer, begun } = await goHost();
    const called = caught(call(link));
    const [other] = (await begun()) as [string];
    const asked = caught(
      link.po.converse(async (co) => {
        const object = await co.getObj("answer()");
        await co.waitCompleted();
        return object;
      }),
    );
    const [asking] = (await begun()) as [string];
    peer.say(answer(other, ...objects.map((text) => packet("co_recv", text))));
    await quiet();
    peer.say(answer(asking));
    expect(await called).toBe(result);
    expect(await asked).toBe(42);
    peer.reset();
    await link.closed;
  });
});
