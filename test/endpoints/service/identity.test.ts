/**
 * Who a peer is: it changes in one place, only when all of it succeeds while it is still wanted, for what begins after it.
 */

import fc from "fast-check";
import {
  type CredentialsOf,
  defineService,
  HbiError,
  type Link,
  memoryTransportPair,
  method,
  type Peer,
  ServiceHost,
} from "hbi";
import { conversation, hostileTransport, ManualClock, packet, quiet } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Link as ServiceLink } from "../../../src/endpoints/service/link.ts";
import { withoutHello } from "../../support/hello.ts";

const desk = defineService({
  name: "desk",
  version: "1.0.0",
  methods: {
    /** who the call is by, and who the peer is */
    who: method({ params: {}, result: z.string() }),
    /** the same, when the test lets it go */
    hold: method({ params: { name: z.string() }, result: z.string() }),
  },
  reactions: { prove: method({ params: { challenge: z.string() }, result: z.string() }) },
  credentials: { token: z.string() },
});
type Desk = typeof desk;
interface User {
  readonly name: string;
}

/** What becomes of an attempt: let in as a user, or not. */
type Outcome = (token: string) => User | undefined;
const letIn: Outcome = (token) => ({ name: token });

/** A service whose `authenticate` waits for the test, separately for each token. Tokens that begin with "!" get a factory that fails. */
class Office {
  readonly clock = new ManualClock();
  readonly log: HbiError[] = [];
  readonly host: ServiceHost<Desk, User>;
  /** contexts that handlers were made for */
  readonly made: (User | undefined)[] = [];
  peer: Peer<Desk, User> | undefined;
  readonly #looking = new Map<string, { resolve(user: User | undefined): void; reject(error: unknown): void }>();
  readonly #held = new Map<string, () => void>();

  constructor(limits: object = {}) {
    const factory = (peer: Peer<Desk, User>) => {
      this.made.push(peer.context);
      const name = peer.context?.name ?? "";
      if (name === "!hbi") throw new HbiError("unavailable", "no database");
      if (name === "!error") throw new Error("secret of the factory");
      if (name === "!closes") void peer.disconnect("not you");
      const tell = (context: User) => `${context.name}, peer ${peer.context.name}`;
      const handlers = {
        who: (_: unknown, call: { readonly context: User }) => tell(call.context),
        hold: async ({ name }: { name: string }, call: { readonly context: User }) => {
          await new Promise<void>((resolve) => this.#held.set(name, resolve));
          return tell(call.context);
        },
      };
      if (name === "!missing") return { who: handlers.who } as never;
      return handlers;
    };
    this.host = new ServiceHost<Desk, User>(desk, factory, {
      authenticate: ({ token }: CredentialsOf<Desk>, peer) => {
        this.peer = peer as Peer<Desk, User>; // its context is what the test looks at
        return token === "at once" ? { name: token } : this.#look(token);
      },
      clock: this.clock,
      limits,
      log: ({ error }) => void this.log.push(error),
    });
  }

  #look(token: string): Promise<User | undefined> {
    return new Promise((resolve, reject) => this.#looking.set(token, { resolve, reject }));
  }

  /** Lets the attempt with this token end. */
  async settle(token: string, outcome: Outcome = letIn): Promise<void> {
    const looking = this.#looking.get(token);
    this.#looking.delete(token);
    try {
      looking?.resolve(outcome(token));
    } catch (thrown) {
      looking?.reject(thrown);
    }
    await quiet();
  }

  async release(name: string): Promise<void> {
    this.#held.get(name)?.();
    await quiet();
  }

  get isLooking(): boolean {
    return this.#looking.size > 0;
  }

  /** Everything that says who the peer is. */
  get seen() {
    return { context: this.peer?.context, isIn: [...this.host.peers].includes(this.peer as Peer<Desk, User>) };
  }
}

/** A link that was let in as "at once", and what shows other tokens. */
async function consumer(office: Office) {
  const tokens = ["at once"];
  const [near, far] = memoryTransportPair();
  void office.host.accept(far);
  const link: Link<Desk> = await new ServiceLink(
    desk,
    async () => near,
    { prove: ({ challenge }) => challenge },
    { credentials: () => ({ token: tokens.shift() ?? "" }), log: () => undefined, clock: office.clock },
  ).open();
  const show = (next: string, options = {}) => {
    tokens.push(next);
    const shown = link.authenticate(options).then(
      () => "in",
      (error: HbiError) => error.reason ?? error.code,
    );
    return shown;
  };
  return { link, show, break: () => near.destroy() };
}

const AS_BEFORE = { context: { name: "at once" }, isIn: true };

const fails = (error: unknown): Outcome => {
  return () => {
    throw error;
  };
};

/** Refusals: the token, what authenticate does, and what the peer receives. */
const DENIALS: readonly [string, string, Outcome, string][] = [
  ["authenticate gives nothing", "eve", () => undefined, "unauthenticated"],
  ["authenticate throws an HbiError", "eve", fails(new HbiError("permission_denied", "barred")), "permission_denied"],
  ["authenticate throws", "eve", fails(new Error("secret")), "handler"],
];
/** The factory runs for the first authentication only. */
const REFUSALS: typeof DENIALS = [
  ...DENIALS,
  ["the factory throws an HbiError", "!hbi", letIn, "unavailable"],
  ["the factory throws", "!error", letIn, "handler"],
  ["the factory lacks a handler", "!missing", letIn, "handler"],
];

describe("a failed first authentication leaves the peer unauthenticated", () => {
  it.each(REFUSALS)("%s", async (_, token, outcome, told) => {
    const office = new Office();
    const { transport, peer } = hostileTransport();
    await office.host.accept(transport);
    peer.say(conversation("101;x;n", `$hbi.authenticate("${token}")`));
    await quiet();
    await office.settle(token, outcome);
    const said = peer.heard();
    expect(said).toContain(told);
    expect(said).not.toMatch(/secret|has no handler/);
    expect(office.seen).toEqual({ context: undefined, isIn: false });
    expect(await peer.play({ say: conversation("102;x;n", "who()") }, { hear: "co_ack_end" })).toContain(
      'HbiError("unauthenticated"',
    );
    await peer.play({ say: conversation("103;x;n", '$hbi.authenticate("at once")') }, { hear: "co_ack_end" });
    expect(office.seen).toEqual({ context: { name: "at once" }, isIn: true });
    expect(await peer.play({ say: conversation("104;x;n", "who()") }, { hear: "co_ack_end" })).toContain(
      '"at once, peer at once"',
    );
    await peer.play("reset");
  });
});

describe("a later authentication that fails leaves all as it was", () => {
  it.each(DENIALS)("%s", async (_, token, outcome, told) => {
    const office = new Office();
    const { link, show } = await consumer(office);
    const held = link.call.hold({ name: "a" });
    const shown = show(token);
    await quiet();
    await office.settle(token, outcome);
    expect(await shown).toBe(told);
    expect(office.seen).toEqual(AS_BEFORE);
    expect(await link.call.who()).toBe("at once, peer at once");
    await office.release("a");
    expect(await held).toBe("at once, peer at once");
    await link.disconnect();
  });
});

describe("an abandoned authentication changes nothing when it ends", () => {
  it.each<[string, (office: Office, stop: AbortController, cut: () => void) => Promise<void>]>([
    ["it was cancelled", async (_, stop) => stop.abort()],
    ["its caller's time is over", async ({ clock }) => clock.advance(5_000)],
    ["its connection is lost", async (_o, _s, cut) => cut()],
    ["its peer was disconnected", async ({ peer }) => void peer?.disconnect("bye")],
  ])("%s", async (_, end) => {
    const office = new Office();
    const { link, show, break: cut } = await consumer(office);
    const stop = new AbortController();
    const shown = show("kasim", { signal: stop.signal, timeoutMs: 5_000 });
    await quiet();
    await end(office, stop, cut);
    await quiet();
    expect(["cancelled", "timeout", "disconnected", "peer_error"]).toContain(await shown);
    const made = office.made.length;
    await office.settle("kasim");
    expect(office.peer?.context).toEqual({ name: "at once" });
    expect(office.made.length).toBe(made);
    if (link.state === "open") expect(await link.call.who()).toBe("at once, peer at once");
    await link.disconnect();
    await quiet();
    expect(office.host.peers.size).toBe(0);
  });

  it("the handler times out, also for a caller that waits indefinitely", async () => {
    const office = new Office({ handlerTimeoutMs: 1_000 });
    const { link, show } = await consumer(office);
    const shown = show("kasim", { timeoutMs: Number.POSITIVE_INFINITY });
    await quiet();
    await office.clock.advance(999);
    expect(office.isLooking).toBe(true);
    await office.clock.advance(1);
    expect(await shown).toBe("handler_timeout");
    await office.settle("kasim");
    expect(office.seen).toEqual(AS_BEFORE);
    await link.disconnect();
  });

  it("a first one that never ends is over with the time to connect", async () => {
    const office = new Office();
    const { transport, peer } = hostileTransport();
    await office.host.accept(transport);
    peer.say(conversation("101;x;n", '$hbi.authenticate("ali")'));
    await quiet();
    await office.clock.advance(9_999);
    expect(peer.hasEnded).toBe(false);
    await office.clock.advance(1);
    expect(withoutHello(peer.heard())).toBe(packet("err", "authenticate first"));
    await office.settle("ali");
    expect(office.seen).toEqual({ context: undefined, isIn: false });
    expect(office.made).toEqual([]);
    await peer.play("end");
  });
});

describe("while authenticate is at work", () => {
  const stranger = async (office: Office) => {
    const { transport, peer } = hostileTransport();
    await office.host.accept(transport);
    peer.say(conversation("101;x;n", '$hbi.authenticate("ali")'));
    await quiet();
    return peer;
  };

  it.each(["who()", "$hbi.describe()", "nothing_such()"])("a stranger's %s waits, and is refused", async (code) => {
    const office = new Office();
    const peer = await stranger(office);
    peer.say(conversation("102;x;n", code));
    await quiet();
    expect(withoutHello(peer.heard())).toBe("");
    await office.settle("ali", () => undefined);
    const said = peer.heard();
    expect(said.split('HbiError("unauthenticated"').length).toBe(3);
    await peer.play("reset");
  });

  it("a waiting call counts as unauthenticated, whatever the result; the call behind it does not", async () => {
    const office = new Office();
    const peer = await stranger(office);
    peer.say(conversation("102;x;n", "who()") + conversation("103;x;n", "who()"));
    await quiet();
    await office.settle("ali");
    const said = peer.heard();
    expect(said).toContain(packet("co_recv", "null"));
    expect(said.split('HbiError("unauthenticated"').length).toBe(2);
    expect(said.split('"ali, peer ali"').length).toBe(2);
    await peer.play("reset");
  });

  it.each(["$hbi.ping()", '$hbi.cancel("101")', "$hbi.goaway()"])(
    "a stranger's %s is refused at once",
    async (code) => {
      const office = new Office();
      const peer = await stranger(office);
      expect(await peer.play({ say: conversation("102;x;n", code) }, { hear: "co_ack_end" })).toContain(
        'HbiError("unauthenticated","authenticate first"',
      );
      await office.settle("ali");
      expect(peer.heard()).toContain(packet("co_recv", "null")); // it was not given up
      expect(office.seen).toEqual({ context: { name: "ali" }, isIn: true });
      await peer.play("reset");
    },
  );

  it("an unauthenticated peer has one such conversation: what is behind it is not read", async () => {
    const office = new Office();
    const peer = await stranger(office);
    for (let i = 102; i < 110; i++) peer.say(conversation(`${i};x;n`, '$hbi.authenticate("at once")'));
    await quiet();
    expect(office.made).toEqual([]);
    await office.settle("ali");
    await quiet();
    expect(office.seen.context).toEqual({ name: "at once" }); // the second; the others were at once with that
    expect(office.made.map((user) => user?.name)).toEqual(["ali"]); // once for a connection
    expect(office.host.peers.size).toBe(1);
    await peer.play("reset");
  });

  it("an unauthenticated peer that leaves is not accepted", async () => {
    const office = new Office();
    const peer = await stranger(office);
    await peer.play("reset");
    await quiet();
    await office.settle("ali");
    expect(office.seen).toEqual({ context: undefined, isIn: false });
    expect(office.made).toEqual([]);
  });

  it("an unauthenticated peer that half-closes is accepted, answered and closed", async () => {
    const office = new Office();
    const peer = await stranger(office);
    peer.end();
    await quiet();
    await office.settle("ali");
    expect(peer.heard()).toContain(packet("co_recv", "null"));
    await peer.closed();
    await quiet();
    expect(office.host.peers.size).toBe(0);
  });

  it("the service may call the unauthenticated peer, whose answer is not a call", async () => {
    const office = new Office();
    const peer = await stranger(office);
    const asked = office.peer?.call.prove({ challenge: "7" }).catch((error: HbiError) => error.code);
    await quiet();
    const [, id = ""] = /co_begin\](\d+)/.exec(peer.heard()) ?? [];
    peer.say(packet("co_ack_begin", id) + packet("", '$hbi.authenticate("at once")') + packet("co_ack_end", id));
    await asked;
    await quiet();
    expect(office.seen).toEqual({ context: undefined, isIn: false });
    await peer.play("reset");
  });

  it("calls are those of before, and go on in it when it has succeeded", async () => {
    const office = new Office();
    const { link, show } = await consumer(office);
    const early = link.call.hold({ name: "early" });
    const shown = show("kasim");
    await quiet();
    expect(await link.call.who()).toBe("at once, peer at once");
    const between = link.call.hold({ name: "between" });
    await quiet();
    await office.settle("kasim");
    expect(await shown).toBe("in");
    expect(await link.call.who()).toBe("kasim, peer kasim");
    await office.release("early");
    await office.release("between");
    expect(await Promise.all([early, between])).toEqual(["at once, peer kasim", "at once, peer kasim"]);
    await link.disconnect();
  });
});

describe("a conversation that began before", () => {
  const begun = async (code: string) => {
    const office = new Office();
    const { transport, peer } = hostileTransport();
    await office.host.accept(transport);
    peer.say(conversation("101;x;n", '$hbi.authenticate("at once")'));
    await quiet();
    peer.say(conversation("102;x;n", '$hbi.authenticate("kasim")') + packet("co_begin", "103;x;n"));
    await quiet();
    await office.settle("kasim");
    expect(office.seen.context).toEqual({ name: "kasim" });
    peer.heard();
    const said = await peer.play({ say: packet("", code) + packet("co_end", "103;x;n") }, { hear: "co_ack_end" });
    await peer.play("reset");
    return said;
  };

  it("keeps its context", async () => {
    expect(await begun("who()")).toContain('"at once, peer kasim"');
  });

  it("keeps the library's own methods", async () => {
    expect(await begun("$hbi.ping()")).toContain(packet("co_recv", "null"));
  });
});

describe("two at once", () => {
  it.each([
    ["the first ends first", ["ali", "kasim"]],
    ["the second ends first", ["kasim", "ali"]],
  ])("whichever succeeds first counts, the other fails: %s", async (_, [winner = "", loser = ""]) => {
    const office = new Office();
    const { link, show } = await consumer(office);
    const shown = { ali: show("ali"), kasim: show("kasim") } as Record<string, Promise<string>>;
    await quiet();
    await office.settle(winner);
    await office.settle(loser);
    expect(await shown[winner]).toBe("in");
    expect(await shown[loser]).toBe("wrong_stage");
    expect(office.seen).toEqual({ context: { name: winner }, isIn: true });
    expect(office.made.map((user) => user?.name)).toEqual(["at once"]); // once for a connection
    expect(await link.call.who()).toBe(`${winner}, peer ${winner}`);
    await link.disconnect();
  });

  it("one that is refused does not harm the other", async () => {
    const office = new Office();
    const { link, show } = await consumer(office);
    const shown = [show("eve"), show("kasim")];
    await quiet();
    await office.settle("eve", () => undefined);
    await office.settle("kasim");
    expect(await Promise.all(shown)).toEqual(["unauthenticated", "in"]);
    expect(office.seen.context).toEqual({ name: "kasim" });
    await link.disconnect();
  });
});

describe("while the connection drains", () => {
  it.each(["peer", "host"] as const)("an authentication that was begun counts: %s.drain", async (side) => {
    const office = new Office();
    const { link, show } = await consumer(office);
    const shown = show("kasim");
    await quiet();
    const drained = side === "peer" ? office.peer?.drain() : office.host.drain();
    await quiet();
    await office.settle("kasim");
    expect(await shown).toBe("in");
    expect(office.peer?.context).toEqual({ name: "kasim" });
    await drained;
    expect(await link.closed).toBeUndefined();
    expect(office.host.peers.size).toBe(0);
  });

  it("one that never ends is over with the drain", async () => {
    const office = new Office({ handlerTimeoutMs: 1_000 });
    const { show } = await consumer(office);
    const shown = show("kasim");
    await quiet();
    const drained = office.host.drain();
    await office.clock.advance(1_000);
    await office.clock.advance(5_000);
    await drained;
    expect(await shown).toMatch(/handler_timeout|disconnected/);
    await office.settle("kasim");
    expect(office.peer?.context).toEqual({ name: "at once" });
    expect(office.host.peers.size).toBe(0);
  });
});

it("an ignored authentication fails silently, whatever the peer does", async () => {
  const unheard: unknown[] = [];
  const hear = (reason: unknown) => void unheard.push(reason);
  process.on("unhandledRejection", hear);
  for (const end of ["refuse", "cut", "closed before"] as const) {
    const office = new Office();
    const { link, break: cut } = await consumer(office);
    if (end === "closed before") await link.disconnect();
    void link.authenticate();
    await quiet();
    if (end === "refuse") await office.settle("", () => undefined);
    cut();
    await quiet();
  }
  process.off("unhandledRejection", hear);
  expect(unheard).toEqual([]);
});

it("a factory that closes the connection accepts no peer", async () => {
  const office = new Office();
  const { transport, peer } = hostileTransport();
  await office.host.accept(transport);
  peer.say(conversation("101;x;n", '$hbi.authenticate("!closes")'));
  await quiet();
  await office.settle("!closes");
  expect(peer.heard()).toContain(packet("err", "not you"));
  expect(office.seen).toEqual({ context: undefined, isIn: false });
  await peer.play("end");
});

// --- any order of it all -------------------------------------------------------------------------------------------------

type Step =
  | { readonly do: "show" | "let in" | "refuse" | "throw" | "cancel"; readonly at: number }
  | { readonly do: "hold" | "release"; readonly at: number }
  | { readonly do: "call" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom("show", "show", "let in", "let in", "refuse", "throw", "cancel"), at: fc.nat(2) }),
  fc.record({ do: fc.constantFrom("hold", "release"), at: fc.nat(2) }),
  fc.constant({ do: "call" } as const),
) as fc.Arbitrary<Step>;

interface Attempt {
  readonly token: string;
  readonly shown: Promise<string>;
  readonly stop: AbortController;
  /** who the peer was when it began */
  readonly before: number;
  isWanted: boolean;
}

it("whatever happens in whatever order, a peer is who last succeeded, and a call is by who it was when it began", async () => {
  const runs = Number(process.env["HBI_RUNS"] ?? 40);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      const office = new Office();
      const { link, show, break: cut } = await consumer(office);
      const attempts: (Attempt | undefined)[] = [];
      const held: ({ readonly by: string; readonly call: Promise<string>; readonly name: string } | undefined)[] = [];
      let present = "at once";
      let changes = 0;
      let count = 0;
      const end = async (attempt: Attempt, how: "let in" | "refuse" | "throw"): Promise<void> => {
        const isStale = attempt.before !== changes;
        const outcomes = { "let in": letIn, refuse: () => undefined, throw: fails(new HbiError("aborted", "no")) };
        await office.settle(attempt.token, outcomes[how]);
        const expected = !attempt.isWanted
          ? "cancelled"
          : { "let in": isStale ? "wrong_stage" : "in", refuse: "unauthenticated", throw: "aborted" }[how];
        expect(await attempt.shown).toBe(expected);
        if (expected !== "in") return;
        present = attempt.token;
        changes += 1;
      };
      for (const step of steps) {
        if (step.do === "call") expect(await link.call.who()).toBe(`${present}, peer ${present}`);
        else if (step.do === "hold" && held[step.at] === undefined) {
          const name = `${count++}`;
          const call = link.call.hold({ name });
          call.catch(() => undefined); // what is held to the end is lost
          held[step.at] = { by: present, call, name };
        } else if (step.do === "release") {
          const { by = "", call, name = "" } = held[step.at] ?? {};
          held[step.at] = undefined;
          await office.release(name);
          if (call !== undefined) expect(await call).toBe(`${by}, peer ${present}`);
        } else if (step.do === "show" && attempts[step.at] === undefined) {
          const stop = new AbortController();
          const token = `user ${count++}`;
          const shown = show(token, { signal: stop.signal });
          attempts[step.at] = { token, shown, stop, before: changes, isWanted: true };
        } else if (step.do === "cancel") {
          const attempt = attempts[step.at];
          attempt?.stop.abort();
          if (attempt !== undefined) attempt.isWanted = false;
        } else if (step.do === "let in" || step.do === "refuse" || step.do === "throw") {
          const attempt = attempts[step.at];
          attempts[step.at] = undefined;
          if (attempt !== undefined) await end(attempt, step.do);
        }
        await quiet();
        expect(office.seen).toEqual({ context: { name: present }, isIn: true });
      }
      cut(); // handlers may be at work
    }),
    { numRuns: runs },
  );
});
