/**
 * What the host of a conversation writes, and when: byte for byte, while the handler is at work and when it has ended.
 */
import { type HbiError, type HoCo, HostingEnv, method } from "hbi";
import { conversation, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { BarePeer, barePeer } from "../../support/pair.ts";

const CALL = packet("co_begin", "101;x;n") + packet("", "work()") + packet("co_end", "101");
const BEGIN = packet("co_ack_begin", "101");
const END = packet("co_ack_end", "101");
const NOTHING_HELD = { hosted: 0, places: 0, sendTurns: 0, scripts: 0, answers: 0, unread: 0 };

/** An object whose packet, including the overhead of an entry, has this many bytes. */
const textOf = (bytes: number) => `"${"x".repeat(bytes - "[65457#co_recv]".length - 64 - 2)}"`;

interface Situation {
  /** all that the handler does before it is held back */
  readonly write: (co: HoCo) => Promise<void>;
  readonly meanwhile: string;
  readonly afterwards: string;
}

const SITUATIONS: Readonly<Record<string, Situation>> = {
  "an object is kept until the handler has ended": {
    write: (co) => co.sendObj("1"),
    meanwhile: "",
    afterwards: BEGIN + packet("co_recv", "1") + END,
  },
  "text of 64 KiB is kept as well": {
    write: (co) => co.sendObj(textOf(65_536)),
    meanwhile: "",
    afterwards: BEGIN + packet("co_recv", textOf(65_536)) + END,
  },
  "text beyond 64 KiB goes out while the handler is at work": {
    write: (co) => co.sendObj(textOf(65_537)),
    meanwhile: BEGIN + packet("co_recv", textOf(65_537)),
    afterwards: END,
  },
  "an object, code and raw data stay in their order": {
    write: async (co) => {
      await co.sendObj("1");
      await co.sendData(new TextEncoder().encode("raw"));
      await co.sendCode("told()");
    },
    meanwhile: "",
    afterwards: `${BEGIN}${packet("co_recv", "1")}raw${packet("", "told()")}${END}`,
  },
  "code without raw data is announced as such": {
    write: (co) => co.sendCode("told()"),
    meanwhile: "",
    afterwards: packet("co_ack_begin", "101;n") + packet("", "told()") + END,
  },
  "startSend sends what was kept": {
    write: async (co) => {
      await co.sendObj("1");
      await co.startSend();
      await co.sendObj("2");
    },
    meanwhile: BEGIN + packet("co_recv", "1") + packet("co_recv", "2"),
    afterwards: END,
  },
  "a handler that closes its answer sends it before it has ended": {
    write: async (co) => {
      await co.sendObj("1");
      await co.close();
    },
    meanwhile: BEGIN + packet("co_recv", "1") + END,
    afterwards: "",
  },
};

/** A peer of bare bytes whose call `work()` is held back, once it has written, until `end` is called. */
function held(write: Situation["write"]) {
  let end: (thrown?: Error) => void = () => undefined;
  let hosted: HoCo | undefined;
  const env = new HostingEnv().expose("work", method({ params: {} }), async (_, co) => {
    hosted = co as HoCo; // nothing is posted here
    await hosted.finishRecv();
    await write(hosted);
    await new Promise<void>((resolve, reject) => {
      end = (thrown) => (thrown === undefined ? resolve() : reject(thrown));
    });
  });
  const peer = new BarePeer(env);
  return { peer, end: (thrown?: Error) => end(thrown), co: () => hosted as HoCo };
}

describe("the answer of a host", () => {
  for (const [name, { write, meanwhile, afterwards }] of Object.entries(SITUATIONS)) {
    it(name, async () => {
      const { peer, end } = held(write);
      await peer.connection.start();
      expect(await peer.say(CALL)).toBe(meanwhile);
      end();
      expect(await peer.say()).toBe(afterwards);
      expect(peer.connection.held).toMatchObject(NOTHING_HELD);
    });
  }

  it("is the error alone when the handler fails after it has sent what is kept", async () => {
    const { peer, end } = held((co) => co.sendObj("1"));
    await peer.connection.start();
    await peer.say(CALL);
    end(new Error("no"));
    const answer = await peer.say();
    expect(answer.startsWith(BEGIN) && answer.endsWith(END)).toBe(true);
    expect(answer).toContain("HbiError(");
    expect(answer).not.toContain(packet("co_recv", "1"));
    expect(peer.connection.held).toMatchObject(NOTHING_HELD);
  });

  for (const [how, write] of Object.entries<Situation["write"]>({
    "with its answer open": (co) => co.sendObj("1"),
    "with its answer closed": (co) => co.close(),
    "with the send turn": (co) => co.startSend(),
  })) {
    it(`a handler that goes on when the connection is lost, ${how}, is told, and holds its place until it has ended`, async () => {
      const { peer, end, co } = held(write);
      await peer.connection.start();
      await peer.say(CALL);
      expect(peer.connection.held).toMatchObject({ hosted: 1, places: 1 });
      peer.destroy();
      await quiet();
      expect(co().signal.aborted).toBe(true);
      expect(co().stage).toBe("closed");
      await expect(co().sendObj("2")).rejects.toMatchObject({ code: "unavailable" });
      expect(peer.connection.held).toMatchObject({ hosted: 1, places: 1, answers: 0 });
      end();
      await quiet();
      expect(peer.connection.held).toMatchObject(NOTHING_HELD);
    });
  }

  it("refuses what comes after it was closed", async () => {
    const { peer, co } = held((hosted) => hosted.close());
    await peer.connection.start();
    await peer.say(CALL);
    for (const late of [
      co().sendObj("1"),
      co().sendCode("told()"),
      co().sendData(new Uint8Array(1)),
      co().startSend(),
    ]) {
      await expect(late).rejects.toMatchObject({ code: "failed_precondition", reason: "wrong_stage" });
    }
    await expect(co().close()).resolves.toBeUndefined();
    expect(co().stage).toBe("closed");
    expect(peer.heard()).toBe("");
  });
});

describe("a handler that does not wait for what it sends", () => {
  /** How many promise reactions it lets pass before it returns. */
  const PASSES = Array.from({ length: 12 }, (_, i) => i);
  const BEGINNINGS = {
    sendData: (co: HoCo) => co.sendData(new TextEncoder().encode("<data>")),
    startSend: (co: HoCo) => co.startSend(),
  };
  it.each((["sendData", "startSend"] as const).flatMap((what) => PASSES.map((passes) => [what, passes] as const)))(
    "%s, and returns %i reactions later: it is sent or refused, and nothing of it is held",
    async (what, passes) => {
      let told: Promise<string> | undefined;
      const env = new HostingEnv().expose("work", method({ params: {} }), async (_, co) => {
        if (!("finishRecv" in co)) return; // in an answer
        await co.finishRecv();
        told = BEGINNINGS[what](co).then(
          () => "sent",
          ({ reason }: HbiError) => String(reason),
        );
        for (let i = 0; i < passes; i++) await undefined;
      });
      const peer = await barePeer(env);
      const heard = await peer.say(conversation("101;x;n", "work()"));
      const outcome = await told;
      expect(outcome).toMatch(/^(?:sent|wrong_stage)$/);
      if (what === "sendData") expect(heard.includes("<data>")).toBe(outcome === "sent");
      expect(Object.entries(peer.connection.held).filter(([, count]) => count !== 0)).toEqual([]);
      peer.destroy();
      await peer.connection.closed;
    },
  );
});
