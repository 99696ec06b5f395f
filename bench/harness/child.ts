/**
 * A process of the benchmark: answers its parent's requests, one function each, until the parent disconnects.
 * Usage: child.js MODULE, which exports `requests`.
 */

export type Requests = Readonly<Record<string, (argument: never) => unknown>>;

export interface Request {
  readonly id: number;
  readonly name: string;
  readonly argument?: unknown;
}

export interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

const [, , module = ""] = process.argv;
const { requests } = (await import(new URL(`../${module}`, import.meta.url).href)) as { requests: Requests };

process.on("disconnect", () => process.exit());
process.on("message", async ({ id, name, argument }: Request) => {
  let reply: Reply;
  try {
    const answer = Object.hasOwn(requests, name) ? requests[name] : undefined;
    if (answer === undefined) throw new Error(`${module} has no ${name}`);
    reply = { id, value: await answer(argument as never) }; // both sides belong to the benchmark
  } catch (thrown) {
    reply = { id, error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) };
  }
  process.send?.(reply);
});
process.send?.({ id: 0 } satisfies Reply); // it is ready
