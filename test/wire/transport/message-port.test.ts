/**
 * Message ports keep the contract of transports. What breaks their rules is refused, and what is under way is bounded.
 */
import { once } from "node:events";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { dialMessagePort, HbiError, type MessagePortLike, messagePortTransport } from "hbi";
import { ManualClock } from "hbi/testing";
import { describe, expect, it } from "vitest";
import { Collector, keepsTheContract } from "./transport-contract.ts";

keepsTheContract("message ports", async () => {
  const { port1, port2 } = new MessageChannel();
  return [messagePortTransport(port1), messagePortTransport(port2)];
});

/** What the `Worker` of Node has: its listeners get values, and no events. */
function asWorker(port: MessagePort): MessagePortLike {
  return {
    postMessage: (message, transfer) => port.postMessage(message, transfer),
    on: (type, listener) => port.on(type, listener),
    off: (type, listener) => port.off(type, listener),
    terminate: () => port.close(),
  };
}
keepsTheContract("what passes values to its listeners", async () => {
  const { port1, port2 } = new MessageChannel();
  return [messagePortTransport(asWorker(port1), { terminate: true }), messagePortTransport(port2)];
});

const WINDOW_BYTES = 1024 * 1024;
const COST_BYTES = 256;
const MESSAGE_BYTES = 64 * 1024;
const OPENED = "hbi opened";

/** One end as a transport that has started, the other as it is. */
function bare(options: Parameters<typeof messagePortTransport>[1] = {}) {
  const { port1: near, port2 } = new MessageChannel();
  const heard = new Collector();
  const received: unknown[] = [];
  near.on("message", (message) => received.push(message));
  const transport = messagePortTransport(port2, options);
  const said = async (is: (message: unknown) => boolean) => {
    while (!received.some(is)) await new Promise(setImmediate);
  };
  /** Everything that either side has sent so far is delivered, and what it leads to. */
  let marks = 0;
  const settled = async () => {
    for (let i = 0; i < 2; i++) {
      marks += 1;
      const mark = `mark ${marks}`;
      port2.postMessage(mark);
      await said((message) => message === mark);
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    }
  };
  return { near, port: port2, heard, received, said, settled, transport };
}
const sizesOf = (received: readonly unknown[]) =>
  received.filter((message) => message instanceof ArrayBuffer).map(({ byteLength }) => byteLength);
/** Whatever could be delivered is, by then. */
const turns = async () => {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
};

describe("bytes", () => {
  it("leave the buffers of the caller as they are: also what is shared, and a view of more", async () => {
    const { near, heard, received, said, transport } = bare();
    transport.start(heard);
    near.postMessage(OPENED);
    const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(7);
    const whole = new Uint8Array(MESSAGE_BYTES).fill(8);
    const view = whole.subarray(10, 12);
    for (const chunk of [shared, whole, view, "é"]) transport.write(chunk);
    transport.end();
    near.postMessage("hbi end");
    await heard.until(() => heard.closed.length > 0);
    await said((message) => message === "hbi end");
    expect([shared.length, whole.length, view.length]).toEqual([3, MESSAGE_BYTES, 2]);
    const all = Buffer.concat(received.filter((one) => one instanceof ArrayBuffer).map((one) => new Uint8Array(one)));
    expect(all.equals(Buffer.concat([shared, whole, view, Buffer.from("é")]))).toBe(true);
    expect([received.at(0), received.at(-1), heard.closed]).toEqual(["hbi open", "hbi end", [undefined]]);
  });

  it("have borders that mean nothing: long writes are split, and those of one bracket are joined", async () => {
    const { near, heard, received, said, settled, transport } = bare();
    transport.start(heard);
    near.postMessage(OPENED);
    await settled();
    transport.write(new Uint8Array(100_000));
    transport.cork?.();
    for (const chunk of ["[4#]call", new Uint8Array(1_000), "[2#]it"]) transport.write(chunk);
    transport.uncork?.();
    await said((message) => message instanceof ArrayBuffer && message.byteLength === 1_014);
    expect(sizesOf(received)).toEqual([65_536, 34_464, 1_014]);
    for (const part of ["he", "llo"]) near.postMessage(new TextEncoder().encode(part).buffer);
    await heard.until(() => heard.text === "hello");
    transport.destroy();
    await heard.until(() => heard.closed.length > 0);
  });

  it("wait for the other end: what is sent to one that does not listen yet is lost", async () => {
    const { port1, port2 } = new MessageChannel();
    const heard = new Collector();
    const early = messagePortTransport(port1);
    early.start(new Collector());
    early.write("hello");
    early.end();
    port2.start();
    await turns();
    expect(early.bufferedBytes).toBe(5);
    const late = messagePortTransport(port2);
    late.start(heard);
    late.write("hi");
    await heard.until(() => heard.hasEnded);
    expect(heard.text).toBe("hello");
    early.destroy();
    await heard.until(() => heard.closed.length > 0);
  });

  it("may be none at all: their end waits for the other end too", async () => {
    const { port1, port2 } = new MessageChannel();
    const heard = new Collector();
    const early = messagePortTransport(port1);
    early.start(new Collector());
    early.end();
    port2.start();
    await turns();
    messagePortTransport(port2).start(heard);
    await heard.until(() => heard.hasEnded);
    early.destroy();
    await heard.until(() => heard.closed.length > 0);
  });

  it("that a failing port does not take end the connection", async () => {
    const { port1 } = new MessageChannel();
    const heard = new Collector();
    const failing: MessagePortLike = {
      ...asWorker(port1),
      postMessage: () => {
        throw new TypeError("out of order");
      },
    };
    messagePortTransport(failing).start(heard);
    await heard.until(() => heard.closed.length > 0);
    expect(heard.closed[0]?.message).toBe("out of order");
    port1.close();
  });

  it("of a buffer that was detached meanwhile end the connection", async () => {
    const { near, heard, said, transport } = bare();
    transport.start(heard);
    const chunk = new Uint8Array(10);
    transport.write(chunk);
    structuredClone(chunk.buffer, { transfer: [chunk.buffer] });
    near.postMessage(OPENED);
    await heard.until(() => heard.closed.length > 0);
    expect(heard.closed[0]?.message).toBe("a buffer was detached while it was being sent");
    await said((message) => message === "hbi abort");
  });
});

describe("a reader that stops", () => {
  it("is sent no more than its window, and goes on where it was", async () => {
    const { near, heard, received, settled, transport } = bare();
    transport.start(heard);
    near.postMessage(OPENED);
    for (let i = 0; i < 200; i++) transport.write(new Uint8Array(MESSAGE_BYTES).fill(i));
    await settled();
    const underWay = sizesOf(received);
    const bytes = underWay.reduce((sum, size) => sum + size + COST_BYTES, 0);
    expect(bytes).toBeLessThanOrEqual(WINDOW_BYTES);
    expect(bytes).toBeGreaterThan(WINDOW_BYTES - 2 * MESSAGE_BYTES);
    expect(transport.bufferedBytes + (transport.takenBytes ?? 0)).toBe(200 * MESSAGE_BYTES);
    near.postMessage(10_000); // too little to be worth a message
    await settled();
    expect(sizesOf(received).length).toBe(underWay.length);
    near.postMessage(bytes - 10_000);
    await settled();
    const more = sizesOf(received).slice(underWay.length);
    expect(more.reduce((sum, size) => sum + size + COST_BYTES, 0)).toBeLessThanOrEqual(WINDOW_BYTES);
    expect(more.length).toBeGreaterThan(0);
    transport.destroy();
    await heard.until(() => heard.closed.length > 0);
  });

  it("says what it has consumed when that is half of its window", async () => {
    const { near, heard, received, settled, transport } = bare();
    transport.start(heard);
    const credits = () => received.filter((message) => typeof message === "number");
    for (const expected of [[], [WINDOW_BYTES / 2]]) {
      near.postMessage(new ArrayBuffer(WINDOW_BYTES / 4 - COST_BYTES));
      await settled();
      expect(credits()).toEqual(expected);
    }
    transport.destroy();
    await heard.until(() => heard.closed.length > 0);
  });

  it("holds no more than its window, and lets its peer go on when it reads again", async () => {
    const { port1, port2 } = new MessageChannel();
    const [ours, theirs] = [messagePortTransport(port1), messagePortTransport(port2)];
    const heard = new Collector();
    ours.start(new Collector());
    theirs.start(heard);
    theirs.pause();
    for (let i = 0; i < 200; i++) ours.write(new Uint8Array(MESSAGE_BYTES));
    await turns();
    expect(ours.takenBytes).toBeLessThanOrEqual(WINDOW_BYTES);
    expect([ours.bufferedBytes > 11 * WINDOW_BYTES, heard.bytes]).toEqual([true, 0]);
    theirs.resume();
    await heard.until(() => heard.bytes === 200 * MESSAGE_BYTES);
    expect(ours.bufferedBytes).toBe(0);
    theirs.destroy();
    await heard.until(() => heard.closed.length > 0);
  });

  it("may be sent small messages until their cost has filled the window, and no more", async () => {
    const { near, heard, received, settled, transport } = bare();
    transport.start(heard);
    near.postMessage(OPENED);
    await settled();
    for (let i = 0; i < 5_000; i++) transport.write("x");
    await settled();
    expect(sizesOf(received).length).toBe(Math.floor(WINDOW_BYTES / (COST_BYTES + 1)));
    transport.destroy();
    await heard.until(() => heard.closed.length > 0);
  });
});

/** As much as fits into the window. */
const FULL = Array.from({ length: 16 }, () => new ArrayBuffer(MESSAGE_BYTES - COST_BYTES));

describe("what breaks the rules", () => {
  it.each<[string, readonly unknown[], string]>([
    ["text", ["[2#]hi"], "string, but HBI is sent as ArrayBuffer: does something else use this port?"],
    ["an object", [{ type: "webpackOk" }], "object, but HBI is sent as ArrayBuffer"],
    ["nothing", [null], "object, but HBI is sent as ArrayBuffer"],
    ["a view", [new Uint8Array(3)], "object, but HBI is sent as ArrayBuffer"],
    ["shared memory, which could change later", [new SharedArrayBuffer(3)], "object, but HBI is sent as ArrayBuffer"],
    ["an empty message", [new ArrayBuffer(0)], "an empty message"],
    [
      "one byte more than the window",
      [...FULL.slice(1), new ArrayBuffer(MESSAGE_BYTES - COST_BYTES + 1)],
      "more than its window",
    ],
    [
      "small messages beyond the window",
      Array.from({ length: 4_081 }, () => new ArrayBuffer(1)),
      "more than its window",
    ],
    ["data behind its end", ["hbi end", new ArrayBuffer(1)], "data behind its end"],
    ["a second end", ["hbi end", "hbi end"], "ended twice"],
    ["a second opening", ["hbi open", "hbi open"], "opened twice"],
    ["a second answer", [OPENED, OPENED], "opened twice"],
    ["credit for nothing", [OPENED, 1], "credit for more than was sent"],
    ["credit before anything else", [1], "credit for more than was sent"],
    ["no credit", [OPENED, 0], "credit for more than was sent"],
    ["credit that is no number of bytes", [OPENED, Number.NaN], "credit for more than was sent"],
    ["fractions of a byte", [OPENED, 0.5], "credit for more than was sent"],
  ])("ends the connection, and says why: %s", async (_, messages, words) => {
    const { near, heard, said, transport } = bare();
    transport.start(heard);
    transport.pause();
    for (const message of messages) near.postMessage(message);
    await heard.until(() => heard.closed.length > 0);
    expect(heard.closed[0]).toBeInstanceOf(HbiError);
    expect(heard.closed[0]).toMatchObject({ reason: "bad_frame", message: expect.stringContaining(words) });
    await said((message) => message === "hbi abort");
    expect(heard.bytes).toBe(0);
  });

  it("is credit for more than was sent, by one byte", async () => {
    for (const [more, closes] of [
      [0, 0],
      [1, 1],
    ] as const) {
      const { near, heard, settled, transport } = bare();
      transport.start(heard);
      near.postMessage(OPENED);
      await settled();
      transport.write("hello");
      near.postMessage(5 + COST_BYTES + more);
      if (closes === 0) await settled();
      else await heard.until(() => heard.closed.length > 0);
      expect(heard.closed.length).toBe(closes);
      transport.destroy();
      await heard.until(() => heard.closed.length > 0);
    }
  });

  it.each<[string, readonly ArrayBuffer[]]>([
    ["the whole window", FULL],
    ["small messages in the window", Array.from({ length: 4_080 }, () => new ArrayBuffer(1))],
  ])("is not %s", async (_, messages) => {
    const { near, heard, settled, transport } = bare();
    transport.start(heard);
    transport.pause();
    for (const message of messages) near.postMessage(message);
    await settled();
    expect(heard.closed).toEqual([]);
    transport.resume();
    await heard.until(() => heard.bytes === messages.reduce((sum, { byteLength }) => sum + byteLength, 0));
    transport.destroy();
    await heard.until(() => heard.closed.length > 0);
  });

  it("is a message that brings other ports, or that cannot be read", async () => {
    const withPort = bare();
    withPort.transport.start(withPort.heard);
    const { port1, port2 } = new MessageChannel();
    const closed = once(port2, "close");
    port2.start();
    withPort.near.postMessage(new ArrayBuffer(1), [port1]);
    const unreadable = bare();
    unreadable.transport.start(unreadable.heard);
    unreadable.port.dispatchEvent(new Event("messageerror"));
    for (const [{ heard }, words] of [
      [withPort, "a message with other ports"],
      [unreadable, "a message that cannot be read"],
    ] as const) {
      await heard.until(() => heard.closed.length > 0);
      expect(heard.closed[0]).toMatchObject({ reason: "bad_frame", message: expect.stringContaining(words) });
    }
    await closed; // the one that was sent is closed
  });
});

describe("the other end", () => {
  it.each<[string, (near: MessagePort) => unknown, string | undefined]>([
    ["closes its port", (near) => near.close(), "the message port was closed"],
    ["ends the connection", (near) => near.postMessage("hbi abort"), "the other end of the message port has ended"],
    ["ends, then closes its port", (near) => [near.postMessage("hbi end"), near.close()], undefined],
  ])("%s, and this one notices", async (_, ends, words) => {
    const { near, heard, transport } = bare();
    transport.start(heard);
    ends(near);
    await heard.until(() => heard.closed.length > 0);
    expect(heard.closed[0]?.message).toEqual(words === undefined ? undefined : expect.stringContaining(words));
    expect(heard.closed[0]).not.toBeInstanceOf(HbiError);
  });

  it("hears everything that was sent before this one ended, though it reads late", async () => {
    const { port1, port2 } = new MessageChannel();
    const [ours, theirs] = [messagePortTransport(port1), messagePortTransport(port2)];
    const [near, far] = [new Collector(), new Collector()];
    ours.start(near);
    theirs.start(far);
    theirs.pause();
    ours.write("hello");
    ours.end();
    theirs.end();
    await near.until(() => near.closed.length > 0);
    await turns();
    expect(far.closed).toEqual([]);
    theirs.resume();
    await far.until(() => far.closed.length > 0);
    expect([far.text, far.hasEnded, far.closed]).toEqual(["hello", true, [undefined]]);
  });
});

describe("a worker", () => {
  /** Nothing but what the transport makes of it. */
  function worker() {
    const listeners = new Map<string, (value: unknown) => void>();
    let ended = 0;
    const port: MessagePortLike = {
      postMessage: () => undefined,
      on: (type, listener) => listeners.set(type, listener),
      off: (type, listener) => listeners.get(type) === listener && listeners.delete(type),
      terminate: () => {
        ended += 1;
      },
    };
    return { port, listeners, ended: () => ended };
  }

  it.each([
    [true, 1],
    [false, 0],
  ])("is left alone behind the connection; terminate %s", async (terminate, times) => {
    const { port, listeners, ended } = worker();
    const heard = new Collector();
    const transport = messagePortTransport(port, { terminate });
    transport.start(heard);
    expect([...listeners.keys()].sort()).toEqual(["close", "error", "exit", "message", "messageerror"]);
    transport.destroy();
    await heard.until(() => heard.closed.length > 0);
    expect([listeners.size, ended()]).toEqual([0, times]);
  });

  it.each<[string, readonly unknown[], string | undefined]>([
    ["before it has answered", [], "could not connect: the worker has failed: no luck"],
    ["later, which a browser survives", [OPENED], undefined],
  ])("that fails %s", async (_, said, message) => {
    const { port, listeners } = worker();
    const heard = new Collector();
    const transport = messagePortTransport(port);
    transport.start(heard);
    for (const one of said) listeners.get("message")?.(one);
    listeners.get("error")?.(new Error("no luck"));
    await turns();
    expect(heard.closed[0]?.message).toBe(message);
    transport.destroy();
    await heard.until(() => heard.closed.length > 0);
  });
});

describe("a port that is no port", () => {
  const { port1 } = new MessageChannel();
  port1.close();
  it.each<[unknown, object, string]>([
    [undefined, {}, "a message port must have postMessage, and addEventListener or on"],
    [{ postMessage: () => undefined }, {}, "a message port must have postMessage, and addEventListener or on"],
    [{ postMessage: () => undefined, on: () => undefined, document: {} }, {}, "a window is no message port"],
    [port1, { terminate: true }, "terminate is for a Worker"],
    [port1, { terminates: true }, 'unknown option "terminates" of messagePortTransport; did you mean "terminate"?'],
  ])("is refused: %#", (port, options, message) => {
    expect(() => messagePortTransport(port as MessagePortLike, options)).toThrow(message);
  });
});

describe("dialing", () => {
  const dial = (port: MessagePortLike, options: object = {}) =>
    dialMessagePort(port, { timeoutMs: 5_000, ...options }).then(
      () => {
        throw new Error("it succeeded");
      },
      (error: HbiError) => error,
    );

  it("waits for the other end", async () => {
    const { port1, port2 } = new MessageChannel();
    const dialing = dialMessagePort(port1, { timeoutMs: 5_000, remoteAddress: "thumbnails" });
    const far = messagePortTransport(port2);
    const near = await dialing;
    expect([near.remoteAddress, near.localAddress]).toEqual(["thumbnails", "message port"]);
    const heard = new Collector();
    far.start(heard);
    near.destroy();
    await heard.until(() => heard.closed.length > 0);
  });

  it("is given up when nobody answers", async () => {
    const { port1, port2 } = new MessageChannel();
    const clock = new ManualClock();
    const failed = dial(port1, { clock });
    await clock.advance(5_000);
    expect(await failed).toMatchObject({
      code: "deadline_exceeded",
      message: expect.stringContaining("does a service accept its other end?"),
    });
    port2.close();
  });

  it("is given up by its signal, before and during", async () => {
    const abort = new AbortController();
    const failed = dial(new MessageChannel().port1, { signal: abort.signal });
    abort.abort();
    expect((await failed).code).toBe("cancelled");
    const { port1 } = new MessageChannel();
    expect((await dial(port1, { signal: abort.signal })).code).toBe("cancelled");
    port1.close();
  });

  it("fails when the other end is closed, or says what is no HBI", async () => {
    const { port1, port2 } = new MessageChannel();
    port2.close();
    expect(await dial(port1)).toMatchObject({
      reason: "connect_failed",
      message: "could not connect: the message port was closed",
    });
    const foreign = new MessageChannel();
    foreign.port2.postMessage({ hello: "world" });
    expect(await dial(foreign.port1)).toMatchObject({ reason: "bad_frame" });
  });

  it("refuses unknown options", async () => {
    const { port1 } = new MessageChannel();
    expect((await dial(port1, { timeout: 5 })).message).toContain('did you mean "timeoutMs"?');
    port1.close();
    await once(port1, "close");
  });
});
