/**
 * The recorded conversations of the Python and Go peers, against this library: its reader, its server, its client.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { crc32 } from "node:zlib";
import { Acceptor, Connection } from "hbi";
import { HBIC, HBIS } from "hbi/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PRESETS } from "../../../src/limits.ts";
import { PacketReader } from "../../../src/wire/packet-reader.ts";
import { CARRIERS, closeCarriers } from "../../support/carriers.ts";
import { Actor, withoutSeedPosts } from "./actor.ts";
import { differences } from "./compare.ts";
import { contractEnv } from "./contract.ts";
import { isOfContract, OWN_WAY } from "./differing.ts";
import { loadTranscripts } from "./load-transcripts.ts";
import { expectedCalls, NOT_OF_WEB_SOCKETS, NOT_PLAYED } from "./played.ts";
import { connected, type Replayed, replay } from "./replay.ts";
import { bracketsOf, type Item, type Side, type Transcript } from "./transcript.ts";

const transcripts = loadTranscripts();
const byName = (names: readonly string[]) => transcripts.filter(({ name }) => names.includes(name));

/** Takes a direction apart: packets by the reader, raw data where the transcript says that it stands. */
function takeApart(transcript: Transcript, side: Side, cut: (left: number) => number): Item[] {
  const reader = new PacketReader({ ...PRESETS.public, maxPacketBytes: 16 * 1024 * 1024 });
  const stream = transcript.streams[side];
  const items: Item[] = [];
  let at = 0;
  const feed = (): boolean => {
    if (at >= stream.length) return false;
    const size = Math.min(Math.max(cut(stream.length - at), 1), stream.length - at);
    reader.push(stream.subarray(at, at + size));
    at += size;
    return true;
  };
  for (const item of transcript.items) {
    if (item.from !== side) continue;
    if (item.kind === "end") items.push(item);
    else if (item.kind === "raw") {
      const bytes = new Uint8Array(item.bytes.length);
      for (let filled = 0; filled < bytes.length; ) {
        const taken = reader.rawInto(bytes.subarray(filled));
        filled += taken;
        if (taken === 0 && !feed()) throw new Error("too short");
      }
      items.push({ kind: "raw", from: side, bytes });
    } else {
      let packet = reader.next();
      while (packet === undefined) {
        if (!feed()) throw new Error("too short");
        packet = reader.next();
      }
      items.push({ kind: "packet", from: side, directive: packet.directive, payload: packet.text });
    }
  }
  expect(reader.bufferedBytes).toBe(0);
  return items;
}

/** Megabytes by their checksum. */
function shown(item: Item): unknown {
  return item.kind === "raw" ? { ...item, bytes: `${item.bytes.length} bytes, crc32 ${crc32(item.bytes)}` } : item;
}

describe("the reader takes recorded bytes apart as recorded", () => {
  const isRefused = (t: Transcript) => t.items.some((i) => i.kind === "packet" && i.directive === "bogus");
  let seed = 1;
  const random = (below: number) => {
    seed = (seed * 48_271) % 0x7fffffff;
    return seed % below;
  };
  const cuts: Record<string, (left: number) => number> = {
    whole: (left) => left,
    "byte by byte": () => 1,
    "in random cuts": () => 1 + random(97),
  };
  for (const transcript of transcripts) {
    if (isRefused(transcript)) continue;
    for (const side of ["client", "server"] as const) {
      for (const [how, cut] of Object.entries(cuts)) {
        if (transcript.streams[side].length > 1e6 && how !== "whole") continue;
        it(`${transcript.name}, ${side}, ${how}`, () => {
          const items = takeApart(transcript, side, cut);
          const recorded = transcript.items.filter(({ from }) => from === side);
          expect(items.map(shown)).toEqual(recorded.map(shown));
        });
      }
    }
  }
  it("leaves out only streams that have a directive which is none", () => {
    expect(transcripts.filter(isRefused).map(({ name }) => name)).toEqual([
      "unknown-directive",
      "unknown-directive-go",
    ]);
  });
});

describe("our server answers recorded clients as the reference did", () => {
  const server = new HBIS("127.0.0.1:0", contractEnv, { extension: false, log: () => undefined });
  beforeAll(() => server.listen());
  afterAll(() => server.close());

  const play = async (transcript: Transcript): Promise<Replayed> => {
    const [host = "", port] = server.address.split(":");
    return replay(
      transcript,
      "client",
      await connected(connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true })),
    );
  };

  for (const transcript of transcripts.filter(isOfContract)) {
    if (OWN_WAY[transcript.name] !== undefined) continue;
    it(transcript.name, async () => {
      const { seen, missing } = await play(transcript);
      expect(missing).toBeUndefined();
      expect(differences(bracketsOf(transcript, "server"), seen)).toEqual([]);
    });
  }

  const endsWithErr: Readonly<Record<string, RegExp>> = {
    "failing-script": /^\w+: internal error: reference \w{8}$/,
    "failing-script-go": /^\w+: internal error: reference \w{8}$/,
    "failing-script-py-client-go-server": /^\w+: internal error: reference \w{8}$/,
    "unknown-function": /^no such name: no_such_function$/,
    "unknown-function-go-server": /^no such name: no_such_function$/,
    "half-close-mid-conversation": /^the stream ended inside a packet$/,
    "nested-co-begin": /^unexpected packet: co_begin inside a conversation$/,
  };
  for (const transcript of byName(Object.keys(endsWithErr))) {
    it(`${transcript.name}: ends the connection with one line`, async () => {
      const { seen } = await play(transcript);
      const [err] = seen.get("err") ?? [];
      expect(err?.kind === "packet" ? err.payload : "").toMatch(endsWithErr[transcript.name] ?? /^$/);
    });
  }

  it("half-close-after-co-end: answers what arrived before the end of the stream", async () => {
    const [transcript] = byName(["half-close-after-co-end"]);
    if (transcript === undefined) throw new Error("not recorded");
    const { seen } = await play(transcript);
    expect(seen.has("err")).toBe(false);
    expect(seen.get("answer 101")?.map((item) => (item.kind === "packet" ? item.payload : ""))).toEqual([
      "101",
      '"s"',
      "101",
    ]);
  });
});

/** The same over everything else that carries a connection. */
const { "over TCP": _, ...CARRIED } = CARRIERS;
const EXTENDED = { log: () => undefined };
afterAll(closeCarriers);

describe.each(Object.entries(CARRIED))("%s", (_how, carrier) => {
  const isPlayed = ({ name }: Transcript) => carrier.canHalfClose || !NOT_OF_WEB_SOCKETS.includes(name);

  it.each(
    transcripts
      .filter(isOfContract)
      .filter((transcript) => OWN_WAY[transcript.name] === undefined && isPlayed(transcript))
      .map((transcript) => [transcript.name, transcript] as const),
  )("our server answers the recorded client of %s as the reference did", async (_name, transcript) => {
    const { dialed, accepted } = await carrier.bareClient();
    const acceptor = new Acceptor(contractEnv, { extension: false, log: () => undefined });
    const accepting = acceptor.accept(accepted);
    const { seen, missing } = await replay(transcript, "client", dialed);
    await accepting;
    await acceptor.close();
    expect(missing).toBeUndefined();
    expect(differences(bracketsOf(transcript, "server"), seen)).toEqual([]);
  });

  it.each(
    transcripts
      .filter((transcript) => NOT_PLAYED.client[transcript.name] === undefined && isPlayed(transcript))
      .map((recorded) => [recorded.name, withoutSeedPosts(recorded, "client")] as const),
  )("our client says what the recorded server of %s accepts", async (_name, transcript) => {
    const { dialed, accepted } = await carrier.bareServer();
    const replayed = replay(transcript, "server", accepted);
    const actor = new Actor(transcript, "client");
    const connection = new Connection(dialed, () => actor.env(), EXTENDED);
    await connection.start();
    await actor.perform(connection.posting);
    await connection.drain();
    const { seen, missing } = await replayed;
    expect(missing).toBeUndefined();
    expect(differences(bracketsOf(transcript, "client"), seen)).toEqual([]);
    expect(actor.calls.length).toBe(expectedCalls(transcript, "server"));
  });
});

async function acceptOne(port: (port: number) => void): Promise<Socket> {
  const listener = createServer({ allowHalfOpen: true, noDelay: true });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  port(typeof address === "object" && address !== null ? address.port : 0);
  const [socket] = (await once(listener, "connection")) as [Socket];
  listener.close();
  return socket;
}

for (const extension of [false, true]) {
  describe(`our client says what recorded servers accept, and lands what they said; extension ${extension}`, () => {
    for (const recorded of transcripts) {
      const reason = NOT_PLAYED.client[recorded.name];
      if (reason !== undefined) continue;
      const transcript = withoutSeedPosts(recorded, "client");
      it(transcript.name, async () => {
        let port = 0;
        const accepted = acceptOne((chosen) => {
          port = chosen;
        });
        while (port === 0) await new Promise(setImmediate);
        const replayed = accepted.then((socket) => replay(transcript, "server", socket));
        const actor = new Actor(transcript, "client");
        const client = new HBIC({ host: "127.0.0.1", port }, actor.env(), { extension });
        const { po } = await client.connect();
        await actor.perform(po);
        await client.drain();
        const { seen, missing } = await replayed;
        expect(missing).toBeUndefined();
        expect(differences(bracketsOf(transcript, "client"), seen)).toEqual([]);
        expect(actor.calls.length).toBe(expectedCalls(transcript, "server"));
      });
    }
  });
}

describe("our server, playing recorded applications, says what recorded clients accept, and lands what they said", () => {
  for (const recorded of transcripts) {
    if (NOT_PLAYED.server[recorded.name] !== undefined) continue;
    const transcript = withoutSeedPosts(recorded, "server");
    it(transcript.name, async () => {
      const actor = new Actor(transcript, "server");
      const performed: Promise<void>[] = [];
      const server = new HBIS(
        "127.0.0.1:0",
        (po) => {
          performed.push(Promise.resolve().then(() => actor.perform(po)));
          return actor.env();
        },
        { extension: false },
      );
      await server.listen();
      const [host = "", port] = server.address.split(":");
      const socket = await connected(connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true }));
      const { seen, missing } = await replay(transcript, "client", socket);
      await Promise.allSettled(performed);
      await server.close();
      expect(missing).toBeUndefined();
      expect(differences(bracketsOf(transcript, "server"), seen)).toEqual([]);
      expect(actor.calls.length).toBe(expectedCalls(transcript, "client"));
    });
  }
});
