import { HostingEnv, method, memoryTransportPair, Connection, script, repr, HbiError } from "hbi";
import { HBIC, HBIS } from "hbi/node";
import { expect, it } from "vitest";
import { z } from "zod";

function serverEnv() {
  const env = new HostingEnv();
  const got: unknown[] = [];
  env.expose("add", method({ params: { a: z.number(), b: z.number() }, result: z.number() }), ({ a, b }) => a + b);
  env.expose("slow", method({ params: { x: z.number() }, result: z.number() }), async ({ x }) => { await new Promise((r) => setTimeout(r, x)); return x; });
  env.expose("fail", method({ params: {} }), () => { throw new HbiError("not_found", "nope", { a: 1 }); });
  env.expose("up", method({ params: { n: z.int() }, body: ({ n }) => n }), async ({ n }, co) => {
    const b = new Uint8Array(n); await co.recvData(b); await co.sendObj(repr(b.reduce((a, x) => a + x, 0)));
  });
  env.expose("down", method({ params: { n: z.int() } }), async ({ n }, co) => {
    await co.sendObj(repr(n)); await co.sendData(new Uint8Array(n).fill(1)); await co.sendObj(repr("done"));
  });
  env.expose("note", method({ params: { x: z.unknown() } }), ({ x }) => { got.push(x); });
  return { env, got };
}

it("talks over tcp", async () => {
  const { env, got } = serverEnv();
  await using server = new HBIS("127.0.0.1:0", () => env);
  await server.listen();
  await using client = new HBIC(server.address, new HostingEnv());
  const { po } = await client.connect();
  await po.converse(async (co) => {
    await co.sendCode(script`add(${1}, ${2})`);
    expect(await co.recvObj(z.number())).toBe(3);
  });
  const slow = po.converse(async (co) => { await co.sendCode("slow(100)"); return co.recvObj(); });
  const fast = po.converse(async (co) => { await co.sendCode("add(5,6)"); return co.recvObj(); });
  expect(await Promise.race([slow, fast])).toBe(11);
  expect(await slow).toBe(100);
  const n = await po.notif("note(7)"); await n.waitCompleted(); expect(got).toEqual([7]);
  const f = await po.notif("fail()");
  await expect(f.waitCompleted()).rejects.toMatchObject({ code: "not_found", details: { a: 1 } });
  const u = await po.notif("nothing_like_it()");
  await expect(u.waitCompleted()).rejects.toMatchObject({ code: "unimplemented" });
  const big = new Uint8Array(3_000_000).fill(1);
  const sum = await po.converse(async (co) => { await co.sendCode(`up(${big.length})`); await co.sendData(big); return co.recvObj(); });
  expect(sum).toBe(3_000_000);
  await po.converse(async (co) => {
    await co.sendCode("down(2000000)");
    const size = await co.recvObj(z.number()); const b = new Uint8Array(size); await co.recvData(b);
    expect(b.every((x) => x === 1)).toBe(true);
    expect(await co.recvObj()).toBe("done");
  });
  const many = await Promise.all(Array.from({ length: 1000 }, (_, i) => po.converse(async (co) => { await co.sendCode(`add(${i},1)`); return co.recvObj(); })));
  expect(many).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));
  await client.drain();
});
it("talks over memory cut to bytes", async () => {
  const [a, b] = memoryTransportPair({ cut: () => 1 });
  const { env } = serverEnv();
  const left = new Connection(a, () => new HostingEnv()); const right = new Connection(b, () => env);
  await Promise.all([left.start(), right.start()]);
  const r = await left.posting.converse(async (co) => { await co.sendCode(`up(10)`); await co.sendData(new Uint8Array(10).fill(2)); return co.recvObj(); });
  expect(r).toBe(20);
  await left.disconnect();
  expect(await right.closed).toBeUndefined();
});
