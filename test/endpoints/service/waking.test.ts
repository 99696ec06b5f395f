/**
 * Links after a sleep of the machine or the page, and when the network is back: a dead connection is noticed within seconds, and nobody
 * waits for the next attempt. docs/browsers.md.
 */
import { type Clock, Link, type LinkState, memoryTransportPair, ServiceHost, systemClock, type Transport } from "hbi";
import { ManualClock, quiet } from "hbi/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { handlersOf, kinds, Reactions, Work } from "./fixture.ts";

const links: Link<typeof kinds>[] = [];
afterEach(async () => {
  for (const link of links.splice(0)) await link.disconnect();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

interface Line {
  /** nothing arrives any more, and nobody says so */
  isDead: boolean;
}

/** A link whose network can vanish. `reachable` is false while nothing can be dialed. */
async function start(clock: ManualClock = new ManualClock(), reconnect = { initialDelayMs: 1_000, jitter: 0 }) {
  const host = new ServiceHost(kinds, handlersOf(new Work()), { log: () => undefined });
  const network = { isReachable: true, dials: 0 };
  const lines: Line[] = [];
  const dial = async (): Promise<Transport> => {
    network.dials += 1;
    if (!network.isReachable) throw new Error("no network");
    const [near, far] = memoryTransportPair();
    const line: Line = { isDead: false };
    lines.push(line);
    for (const end of [near, far]) {
      const write = end.write.bind(end);
      end.write = (chunk) => {
        if (!line.isDead) write(chunk);
      };
    }
    void host.accept(far).catch(() => undefined);
    return near;
  };
  const link = new Link(kinds, dial, new Reactions().all, { clock, reconnect, log: () => undefined });
  links.push(link);
  const states: [LinkState, string | undefined][] = [];
  link.onState((state, reason) => void states.push([state, reason?.reason]));
  await link.open();
  await link.call.add({ a: 1, b: 2 });
  return { clock, link, lines, network, states };
}

/** A page, whose events a test dispatches. */
function page() {
  const window = new EventTarget();
  let listening = 0;
  vi.stubGlobal("addEventListener", (...args: Parameters<typeof window.addEventListener>) => {
    listening += 1;
    window.addEventListener(...args);
  });
  vi.stubGlobal("removeEventListener", (...args: Parameters<typeof window.removeEventListener>) => {
    listening -= 1;
    window.removeEventListener(...args);
  });
  return { listening: () => listening, dispatch: (type: string) => window.dispatchEvent(new Event(type)) };
}

describe("after a sleep", () => {
  it("a dead connection is noticed within five seconds, and dialed again", async () => {
    const { clock, link, lines, states } = await start();
    for (const line of lines) line.isDead = true;
    await clock.sleep(3_600_000);
    expect(link.state).toBe("open");
    await clock.advance(4_999);
    expect(link.state).toBe("open");
    await clock.advance(1_100);
    expect(states).toEqual([
      ["open", undefined],
      ["connecting", "unresponsive"],
      ["open", undefined],
    ]);
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("one that lives is kept, and asked once", async () => {
    const { clock, link, network, states } = await start();
    for (let i = 0; i < 3; i++) await clock.sleep(3_600_000);
    await clock.advance(60_000);
    expect([link.state, network.dials, states.length]).toEqual(["open", 1, 1]);
  });

  it("within a long upload, no longer is waited than for what the peer has not confirmed", async () => {
    const { clock, link, lines, states } = await start();
    const size = 8 * 1024 * 1024;
    async function* most(): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < size - 65_536; sent += 65_536) yield new Uint8Array(65_536);
      await new Promise(() => undefined);
    }
    const given = new AbortController();
    const upload = link.call.upload({ size }, { body: most(), signal: given.signal }).catch((error: unknown) => error);
    await quiet();
    for (const line of lines) line.isDead = true;
    await clock.sleep(60);
    await clock.advance(60_000); // all that was sent would need 4 minutes on the slowest line
    expect(states[1]).toEqual(["connecting", "unresponsive"]);
    given.abort();
    await upload;
  });

  it("the next attempt to connect does not wait, and the pauses begin anew", async () => {
    const { clock, link, lines, network } = await start();
    network.isReachable = false;
    for (const line of lines) line.isDead = true;
    await clock.sleep(60_000);
    await clock.advance(60_000); // the pauses are 10 s now
    const before = network.dials;
    network.isReachable = true;
    await clock.sleep(100);
    expect([network.dials, link.state]).toEqual([before + 1, "open"]);
  });

  it("the clock of the system tells by the time of day, also when its own has stood still", async () => {
    const woken = vi.fn();
    const forget = (systemClock as Required<Clock>).onWake(woken);
    const ticked = () => new Promise<void>((resolve) => void systemClock.after(25, resolve));
    await ticked();
    expect(woken).not.toHaveBeenCalled();
    const timer = systemClock.after(60_000, () => undefined); // it looks at the time while something is due
    await ticked();
    const now = Date.now;
    vi.spyOn(Date, "now").mockImplementation(() => now() + 3_600_000);
    await ticked();
    expect(woken).toHaveBeenCalledTimes(1);
    await ticked();
    expect(woken).toHaveBeenCalledTimes(1);
    forget();
    vi.restoreAllMocks();
    timer.cancel();
  });
});

describe("in a page", () => {
  it.each(["online", "resume", "visibilitychange"])("%s shows that a connection is dead", async (type) => {
    const { dispatch } = page();
    const { clock, link, lines } = await start();
    for (const line of lines) line.isDead = true;
    dispatch(type);
    await clock.advance(5_100);
    await clock.advance(1_000);
    expect(link.state).toBe("open");
    expect(await link.call.add({ a: 1, b: 2 })).toBe(3);
  });

  it("online ends the pause between two attempts", async () => {
    const { dispatch } = page();
    const { clock, link, lines, network } = await start();
    network.isReachable = false;
    for (const line of lines) line.isDead = true;
    dispatch("online");
    await clock.advance(60_000);
    const before = network.dials;
    network.isReachable = true;
    await quiet();
    expect(network.dials).toBe(before);
    dispatch("online");
    await quiet();
    expect([network.dials, link.state]).toEqual([before + 1, "open"]);
  });

  it("offline and hiding the page end nothing, as a server on this machine is reached all the same", async () => {
    const { dispatch } = page();
    const { clock, link, network } = await start();
    for (const type of ["offline", "freeze", "visibilitychange"]) dispatch(type);
    await clock.advance(60_000);
    expect([link.state, network.dials]).toEqual(["open", 1]);
  });

  it("many events at once ask once", async () => {
    const { dispatch } = page();
    const { clock, link, lines } = await start();
    for (const line of lines) line.isDead = true;
    for (let i = 0; i < 100; i++) dispatch("visibilitychange");
    const { timerCount } = clock;
    for (let i = 0; i < 100; i++) dispatch("visibilitychange");
    expect(clock.timerCount).toBe(timerCount);
    await clock.advance(4_000);
    dispatch("visibilitychange"); // which does not put it off
    await clock.advance(1_100);
    expect(link.state).toBe("connecting");
  });

  it("nothing listens any more when the link is closed", async () => {
    const { listening } = page();
    const { link } = await start();
    expect(listening()).toBeGreaterThan(0);
    await link.close();
    expect(listening()).toBe(0);
    await expect(link.open()).rejects.toMatchObject({ code: "unavailable" });
    expect(listening()).toBe(0);
  });
});
