/**
 * The code of docs/errors.md, in its order: a bank that refuses calls in every way, over loopback, with its log in an array.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { defineService, HbiError, isConnectionLost, isServiceError, type LogEntry, method } from "hbi";
import { connect, serve } from "hbi/node";
import { z } from "zod";

const account = z
  .string()
  .max(10, { abort: true }) // the pattern is not tried on longer strings
  .regex(/^[A-Z]+-\d+$/);
const cents = z.int().min(1);

const bank = defineService({
  name: "bank",
  version: "1.0.0",
  methods: {
    withdraw: method({
      params: { account, cents },
      result: z.int(),
      errors: { not_enough: z.object({ missing: z.int() }) },
    }),
    balance: method({ params: { account }, result: z.int(), idempotent: true }),
    audit: method({ params: {}, result: z.int() }),
    upload_orders: method({ params: { size: z.int().min(0) }, body: ({ size }) => size, result: z.int() }),
  },
});

const balances = new Map([
  ["NO-1", 5_000],
  ["NO-2", 0],
]);
const checked: string[] = [];

async function check(number: string, signal: AbortSignal): Promise<void> {
  await sleep(100, undefined, { signal });
  checked.push(number);
}

// --- what the operator sees ------------------------------------------------------------------------------------------

const entries: LogEntry[] = [];
const log = (entry: LogEntry) => void entries.push(entry); // where it came from, the error, and its cause

// --- throwing ----------------------------------------------------------------------------------------------------------

const server = await serve(
  bank,
  "127.0.0.1:0",
  () => ({
    withdraw({ account, cents }, call) {
      const balance = balances.get(account);
      if (balance === undefined) throw new HbiError("not_found", "no such account", { account });
      if (balance < cents) throw call.error("not_enough", { missing: cents - balance });
      balances.set(account, balance - cents);
      return balance - cents;
    },
    balance({ account }) {
      const balance = balances.get(account);
      if (balance === undefined) throw new Error(`SELECT balance FROM accounts WHERE id = '${account}': no rows`);
      return balance;
    },
    async audit(_, call) {
      for (const number of balances.keys()) await check(number, call.signal); // stops when the call ends
      return balances.size;
    },
    async upload_orders({ size }, call) {
      if (size > 100_000) throw new HbiError("resource_exhausted", "too many orders", { most: 100_000 });
      return (await call.bytes()).length;
    },
  }),
  { log },
);

const link = await connect(bank, server.address);

// --- catching ----------------------------------------------------------------------------------------------------------

async function withdraw(account: string, cents: number): Promise<string> {
  try {
    return `${await link.call.withdraw({ account, cents })} are left`;
  } catch (error) {
    if (isServiceError(error, bank.methods.withdraw)) return `${error.details.missing} too much`;
    if (error instanceof HbiError && error.code === "not_found") return `${error.message}: ${account}`;
    throw error;
  }
}
for (const [number, amount] of [
  ["NO-1", 2_000],
  ["NO-1", 9_000],
  ["NO-9", 1],
] as const) {
  console.log(await withdraw(number, amount));
}

const tried = await link.try.withdraw({ account: "NO-1", cents: 9_000 });
if (tried.error === undefined) console.log(`${tried.ok} are left`);
else console.log(tried.error.declared, tried.error.details.missing); // not_enough 6000

// --- what does not cross -----------------------------------------------------------------------------------------------

const unexpected = await link.call.balance({ account: "NO-9" }).catch((error: HbiError) => error);
assert(unexpected instanceof HbiError);
console.log(unexpected.code); // internal
const entry = entries.find(({ error }) => error.message === unexpected.message); // the same reference number
console.log(entry?.error.cause instanceof Error && entry.error.cause.message);

// --- refused by a schema -----------------------------------------------------------------------------------------------

const refused = await link.call.balance({ account: "no account" }).catch((error: HbiError) => error);
assert(refused instanceof HbiError);
console.log(refused.code, refused.reason, refused.message); // before anything is sent

// --- refusing early ----------------------------------------------------------------------------------------------------

const orders = new Uint8Array(200_000);
const early = await link.call
  .upload_orders({ size: orders.length }, { body: orders })
  .catch((error: HbiError) => error);
console.log(early instanceof HbiError && early.details);
console.log(await link.call.upload_orders({ size: 5 }, { body: orders.subarray(0, 5) })); // the link goes on

// --- deadlines and cancellation ----------------------------------------------------------------------------------------

const late = await link.call.audit({}, { timeoutMs: 20 }).catch((error: HbiError) => error);
console.log(late instanceof HbiError && late.code);

const abort = new AbortController();
const audit = link.call.audit({}, { signal: abort.signal }).catch((error: HbiError) => error);
abort.abort("the manager has left");
const gone = await audit;
console.log(gone instanceof HbiError && `${gone.code}: ${gone.cause}`);
await sleep(200);
console.log(checked.length === 0 ? "both audits stopped" : `checked ${checked}`);

// --- a lost connection -------------------------------------------------------------------------------------------------

const hanging = link.call.audit();
await sleep(20);
for (const peer of server.peers) void peer.disconnect("power cut");

const outcome = await hanging.catch((error: unknown) => {
  if (!isConnectionLost(error)) throw error;
  return error.mayHaveLanded === false ? "never begun" : "perhaps done";
});
console.log(outcome);
const closed = await link.closed; // the reason, or undefined after an orderly close
console.log(closed?.message);

await server.close();
