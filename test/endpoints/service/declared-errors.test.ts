/**
 * Errors that methods and reactions declare: what a handler throws under a declared name, the caller gets under the same
 * name with the same details, or not under a name at all.
 */
import {
  type CallEntry,
  Connection,
  callsOver,
  defineService,
  HbiError,
  HostingEnv,
  isServiceError,
  Link,
  type LogEntry,
  memoryTransportPair,
  method,
  repr,
  type Service,
  ServiceHost,
} from "hbi";
import { type TestLink, testLink } from "hbi/testing";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { closePairs, pair } from "../../support/pair.ts";

const quota = z.object({ retryAfterMs: z.int(), plan: z.string().default("free") });
const size = z.int().min(0).max(100_000);

const jobs = defineService({
  name: "jobs",
  version: "1.0.0",
  methods: {
    run: method({
      params: { how: z.string() },
      result: z.string(),
      errors: { quota_exceeded: quota, busy: z.strictObject({}) },
    }),
    note: method({ params: { how: z.string() }, errors: { quota_exceeded: quota } }),
    upload: method({
      params: { size },
      body: ({ size }) => size,
      result: z.int(),
      errors: { too_late: z.object({ hour: z.int() }) },
    }),
    download: method({
      params: { size },
      result: z.strictObject({ size }),
      resultBody: ({ size }) => size,
      errors: { too_late: z.object({ hour: z.int() }) },
    }),
    name_of: method({ params: { id: z.int() }, result: z.string(), errors: { gone: z.object({ id: z.int() }) } }),
    plain: method({ params: { how: z.string() }, result: z.string() }),
    ask: method({ params: { how: z.string() }, result: z.string() }),
  },
  reactions: {
    confirm: method({
      params: { how: z.string() },
      result: z.boolean(),
      errors: { refused: z.object({ by: z.string() }) },
    }),
  },
});
type Jobs = typeof jobs;

const asAny = (value: unknown): never => value as never; // what the compiler refuses

const open: { readonly link: { disconnect(): Promise<void> } }[] = [];
afterEach(async () => {
  for (const { link } of open.splice(0)) await link.disconnect();
  await closePairs();
});

interface Options {
  readonly lanes?: boolean;
  readonly authorize?: (how: string) => HbiError | undefined;
}

async function start({ lanes = true, authorize }: Options = {}) {
  const log: LogEntry[] = [];
  const calls: CallEntry[] = [];
  const answers: unknown[] = [];
  const test: TestLink<Jobs, undefined> = await testLink(
    jobs,
    (peer) => ({
      run({ how }, call) {
        if (how === "quota") throw call.error("quota_exceeded", { retryAfterMs: 5 });
        if (how === "busy") throw call.error("busy", {}, { code: "resource_exhausted", message: "come back later" });
        if (how === "wrong") throw call.error("quota_exceeded", { retryAfterMs: asAny("soon") });
        if (how === "absent") throw call.error("quota_exceeded", asAny(undefined));
        if (how === "undeclared") throw call.error(asAny("quota_exceded"), asAny({}));
        if (how === "surplus")
          throw call.error("quota_exceeded", { retryAfterMs: 5, secret: 1 } as { retryAfterMs: 5 });
        if (how === "large") throw call.error("quota_exceeded", { retryAfterMs: 5, plan: "x".repeat(20_000) });
        if (how === "by hand") {
          throw new HbiError("aborted", "by hand", { retryAfterMs: 6 }, { declared: "quota_exceeded" });
        }
        if (how === "other") throw new HbiError("aborted", "another", { id: 1 }, { declared: "gone" });
        return how;
      },
      async note({ how }, call) {
        await Promise.resolve();
        if (how === "quota") throw call.error("quota_exceeded", { retryAfterMs: 7, plan: "paid" });
      },
      async upload(_, call) {
        throw call.error("too_late", { hour: 23 });
      },
      async download(_, call) {
        throw call.error("too_late", { hour: 24 });
      },
      name_of({ id }, call) {
        throw call.error("gone", { id });
      },
      plain() {
        throw new HbiError("aborted", "plain", { retryAfterMs: 5 }, { declared: "quota_exceeded" });
      },
      async ask({ how }) {
        const tried = await peer.try.confirm({ how });
        answers.push(tried);
        if (tried.error === undefined) return `yes: ${tried.ok}`;
        return `${tried.error.declared} by ${tried.error.details.by}`;
      },
    }),
    {
      host: {
        log: (entry) => void log.push(entry),
        onCall: (entry) => void calls.push(entry),
        ...(authorize === undefined
          ? {}
          : {
              authorize: (call) => {
                if (call.name !== "run") return true;
                const refusal = authorize(call.params.how);
                if (refusal !== undefined) throw refusal;
                if (call.params.how === "not allowed") throw call.error("busy", {});
                return true;
              },
            }),
      },
      link: { lanes, log: () => undefined },
      reactions: {
        confirm({ how }, call) {
          if (how === "no") throw call.error("refused", { by: "client" });
          if (how === "wrong") throw call.error("refused", { by: asAny(3) });
          return true;
        },
      },
    },
  );
  open.push(test);
  return { ...test, link: test.link, peer: test.peer, log, calls, answers };
}

const failed = (call: Promise<unknown>): Promise<HbiError> =>
  call.then(
    () => expect.fail("it has not failed"),
    (thrown) => thrown as HbiError,
  );

const shown = ({ code, message, details, declared, method: of, reason, origin }: HbiError) => ({
  code,
  message,
  details,
  declared,
  of,
  reason,
  origin,
});

describe("a declared error", () => {
  it("arrives under its name, with the details that the schema makes, and as an ordinary error besides", async () => {
    const { link } = await start();
    expect(shown(await failed(link.call.run({ how: "quota" })))).toEqual({
      code: "failed_precondition",
      message: "quota exceeded",
      details: { retryAfterMs: 5, plan: "free" },
      declared: "quota_exceeded",
      of: "run",
      reason: undefined,
      origin: "peer",
    });
    expect(shown(await failed(link.call.run({ how: "busy" })))).toMatchObject({
      code: "resource_exhausted",
      message: "come back later",
      details: {},
      declared: "busy",
    });
    expect(await link.call.run({ how: "well" })).toBe("well");
  });

  it.each([true, false])("arrives from every kind of method, with lanes: %s", async (lanes) => {
    const { link } = await start({ lanes });
    expect(shown(await failed(link.call.note({ how: "quota" })))).toMatchObject({
      declared: "quota_exceeded",
      details: { retryAfterMs: 7, plan: "paid" },
    });
    const posted = await link.post.note({ how: "quota" });
    expect(await failed(posted.waitCompleted())).toMatchObject({ declared: "quota_exceeded", method: "note" });
    const body = new Uint8Array(50_000);
    const late = { declared: "too_late", details: { hour: 23 }, method: "upload" };
    expect(await failed(link.call.upload({ size: 50_000 }, { body }))).toMatchObject(late);
    async function* streamed() {
      yield body.subarray(0, 25_000);
      yield body.subarray(25_000);
    }
    expect(await failed(link.call.upload({ size: 50_000 }, { body: streamed() }))).toMatchObject(late);
    expect(await failed(link.call.download({ size: 3 }))).toMatchObject({
      declared: "too_late",
      details: { hour: 24 },
    });
    expect(await link.call.run({ how: "well" })).toBe("well");
  });

  it("loses what its schema strips", async () => {
    const { link } = await start();
    expect((await failed(link.call.run({ how: "surplus" }))).details).toEqual({ retryAfterMs: 5, plan: "free" });
  });

  it.each(["wrong", "absent"])("with details that do not fit (%s) is a mistake of the host", async (how) => {
    const { link, log } = await start();
    const error = await failed(link.call.run({ how }));
    expect(shown(error)).toMatchObject({ code: "internal", reason: "bad_result", declared: undefined });
    expect(error.message).toMatch(/^run: internal error: quota_exceeded.retryAfterMs: /);
    expect(log.map((entry) => entry.error.reason)).toEqual(["bad_result"]);
    expect(log[0]?.error.cause).toMatchObject({ message: "quota exceeded" });
  });

  it("that is not declared is a mistake of the host", async () => {
    const { link } = await start();
    expect(await failed(link.call.run({ how: "undeclared" }))).toMatchObject({
      code: "internal",
      reason: "bad_result",
      message: 'run: internal error: it declares no error quota_exceded; did you mean "quota_exceeded"?',
    });
  });

  it("may be made by hand", async () => {
    const { link } = await start();
    expect(await failed(link.call.run({ how: "by hand" }))).toMatchObject({
      code: "aborted",
      declared: "quota_exceeded",
      details: { retryAfterMs: 6, plan: "free" },
    });
  });

  it.each([
    ["other", { code: "aborted", message: "another", details: { id: 1 } }],
    ["large", { code: "failed_precondition", message: "quota exceeded", details: undefined }],
  ])("of another method, or whose details do not cross, loses its name (%s)", async (how, expected) => {
    const { link } = await start();
    const error = await failed(link.call.run({ how }));
    expect(error).toMatchObject(expected);
    expect("declared" in error).toBe(false);
    expect(isServiceError(error, jobs.methods.run)).toBe(false);
  });

  it("of a method that declares none loses its name", async () => {
    const { link } = await start();
    const error = await failed(link.call.plain({ how: "" }));
    expect(error).toMatchObject({ code: "aborted", message: "plain", details: { retryAfterMs: 5 } });
    expect("declared" in error).toBe(false);
  });

  it("may be thrown by authorize and by interceptors", async () => {
    const authorize = (how: string) =>
      how === "quota" ? new HbiError("aborted", "no", { retryAfterMs: 1 }, { declared: "quota_exceeded" }) : undefined;
    const { link } = await start({ authorize });
    expect(await failed(link.call.run({ how: "quota" }))).toMatchObject({
      code: "aborted",
      declared: "quota_exceeded",
    });
    expect(await failed(link.call.run({ how: "not allowed" }))).toMatchObject({ declared: "busy" });
  });

  it("is named in the log of failures and of calls, without its details", async () => {
    const { link, log, calls } = await start();
    await failed(link.call.run({ how: "quota" }));
    await link.call.run({ how: "well" });
    const [entry] = log;
    expect(entry?.error).toMatchObject({ declared: "quota_exceeded", code: "failed_precondition", details: undefined });
    expect(entry?.error.stack).toContain("declared-errors.test.ts");
    expect(calls.map(({ method: of, error }) => [of, error?.declared])).toEqual([
      ["run", "quota_exceeded"],
      ["run", undefined],
    ]);
  });

  it("of a reaction arrives at the service", async () => {
    const { link, peer, answers } = await start();
    expect(await link.call.ask({ how: "no" })).toBe("refused by client");
    expect(await link.call.ask({ how: "yes" })).toBe("yes: true");
    expect(answers).toEqual([{ error: expect.any(HbiError) }, { ok: true }]);
    expect(await failed(peer.call.confirm({ how: "no" }))).toMatchObject({ declared: "refused", method: "confirm" });
    expect(await failed(peer.try.confirm({ how: "wrong" }))).toMatchObject({ code: "internal", reason: "bad_result" });
  });
});

describe("a script", () => {
  it("names the method of its error, also of an inner call", async () => {
    const { link } = await start();
    const inner = await failed(link.script((s) => s.run({ how: s.name_of({ id: 8 }) })));
    expect(inner).toMatchObject({ declared: "gone", method: "name_of", details: { id: 8 } });
    expect(isServiceError(inner, jobs.methods.name_of)).toBe(true);
    expect(isServiceError(inner, jobs.methods.run)).toBe(false);
    const second = await failed(link.script((s) => [s.plain({ how: "" }), s.run({ how: "busy" })]));
    expect("declared" in second).toBe(false);
    const third = await failed(link.script((s) => [s.run({ how: "well" }), s.run({ how: "busy" })]));
    expect(third).toMatchObject({ declared: "busy", method: "run" });
  });
});

describe("isServiceError", () => {
  it("is for errors that the method declares, with details that fit", () => {
    const { run, plain } = jobs.methods;
    const made = (declared: string, details?: object) => new HbiError("aborted", "x", details, { declared });
    expect(isServiceError(made("quota_exceeded", { retryAfterMs: 1 }), run)).toBe(true);
    expect(isServiceError(made("busy"), run)).toBe(true);
    expect(isServiceError(made("quota_exceeded"), run)).toBe(false);
    expect(isServiceError(made("constructor"), run)).toBe(false);
    expect(isServiceError(made("gone", { id: 1 }), run)).toBe(false);
    expect(isServiceError(made("busy"), plain)).toBe(false);
    for (const other of [new HbiError("aborted", "x"), new Error("busy"), "busy", null, undefined]) {
      expect(isServiceError(other, run)).toBe(false);
    }
    expect(() => isServiceError(made("busy"), asAny({}))).toThrow("isServiceError needs a method()");
  });
});

describe("link.try", () => {
  it("resolves to the result or the declared error", async () => {
    const { link } = await start();
    expect(await link.try.run({ how: "well" })).toEqual({ ok: "well" });
    expect(await link.try.note({ how: "well" })).toEqual({ ok: undefined });
    const { ok, error } = await link.try.run({ how: "quota" });
    expect([ok, error?.declared, error?.details]).toEqual([
      undefined,
      "quota_exceeded",
      { retryAfterMs: 5, plan: "free" },
    ]);
  });

  it("rejects with every other error, whose stack leads to the line that awaits it", async () => {
    const { link } = await start();
    const error = await failed(link.try.run({ how: "wrong" }));
    expect(error).toMatchObject({ code: "internal", origin: "peer" });
    const waiting = async () => void (await link.try.run({ how: "wrong" }));
    expect((await failed(waiting())).stack).toContain("waiting");
    expect(await failed(link.try.run({ how: asAny(1) }))).toMatchObject({ code: "invalid_argument" });
    expect(await failed(link.try.plain({ how: "" }))).toMatchObject({ code: "aborted" });
    await link.disconnect();
    expect(await failed(link.try.run({ how: "well" }))).toMatchObject({ code: "unavailable" });
  });
});

describe("a gateway", () => {
  const front = defineService({
    name: "front",
    version: "1.0.0",
    methods: {
      same: method({ params: { how: z.string() }, result: z.string(), errors: { quota_exceeded: quota } }),
      other: method({
        params: { how: z.string() },
        result: z.string(),
        errors: { quota_exceeded: z.object({ until: z.string() }) },
      }),
      none: method({ params: { how: z.string() }, result: z.string() }),
    },
  });

  it("passes an error on under its name if it declares the same", async () => {
    const { link: back } = await start();
    const run = ({ how }: { how: string }) => back.call.run({ how });
    const test = await testLink(front, () => ({ same: run, other: run, none: run }), {
      host: { log: () => undefined },
    });
    open.push(test);
    const { link } = test;
    const details = { retryAfterMs: 5, plan: "free" };
    expect(await failed(link.call.same({ how: "quota" }))).toMatchObject({
      declared: "quota_exceeded",
      method: "same",
    });
    for (const call of [link.call.other({ how: "quota" }), link.call.none({ how: "quota" })]) {
      const error = await failed(call);
      expect(error).toMatchObject({ code: "failed_precondition", message: "quota exceeded", details });
      expect("declared" in error).toBe(false);
    }
  });
});

describe("on the HBI layer", () => {
  const env = () =>
    new HostingEnv().expose("run", jobs.methods.run, () => {
      throw new HbiError("aborted", "no", { retryAfterMs: 5 }, { declared: "quota_exceeded" });
    });

  it("a host names its errors for typed callers", async () => {
    const [near, far] = memoryTransportPair();
    const host = new Connection(far, env, { log: () => undefined });
    void host.start();
    const reactions = { confirm: () => true };
    const link = await new Link<Jobs>(jobs, async () => near, reactions, { log: () => undefined }).open();
    open.push({ link });
    expect(await failed(link.call.run({ how: "" }))).toMatchObject({
      declared: "quota_exceeded",
      details: { retryAfterMs: 5, plan: "free" },
    });
  });

  it("a caller that has not said that it knows errors gets code, text and details", async () => {
    const { po } = await pair(env());
    const error = await failed(
      po.converse(async (co) => {
        await co.sendCode('run("")');
        return co.recvObj();
      }),
    );
    expect(error).toMatchObject({ code: "aborted", message: "no", details: { retryAfterMs: 5, plan: "free" } });
    expect("declared" in error).toBe(false);
  });

  it("a host without the extension, which repeats what it does not know, is called as before", async () => {
    const [near, far] = memoryTransportPair();
    const plain = new HostingEnv().expose("run", jobs.methods.run, ({ how }) => how);
    plain.expose("upload", jobs.methods.upload, async ({ size: bytes }, co) => {
      await co.recvData(new Uint8Array(bytes));
      return bytes;
    });
    const host = new Connection(far, () => plain, { extension: false, log: () => undefined });
    void host.start();
    const link = await new Link<Jobs>(jobs, async () => near, { confirm: () => true }, { log: () => undefined }).open();
    open.push({ link });
    expect(await link.call.run({ how: "well" })).toBe("well");
    expect(await link.call.upload({ size: 3 }, { body: Uint8Array.of(1, 2, 3) })).toBe(3);
    async function* streamed() {
      yield Uint8Array.of(1);
      yield Uint8Array.of(2, 3);
    }
    expect(await link.call.upload({ size: 3 }, { body: streamed() })).toBe(3);
  });

  it("a peer without the extension gets the same", async () => {
    const host = new ServiceHost<Service, undefined>(
      defineService({ name: "one", version: "1.0.0", methods: { run: jobs.methods.run } }) as never,
      () => ({
        run: () => {
          throw new HbiError("aborted", "no", { retryAfterMs: 5 }, { declared: "quota_exceeded" });
        },
      }),
      { log: () => undefined, describe: false },
    );
    const [near, far] = memoryTransportPair();
    void host.accept(far);
    const seen: string[] = [];
    const decoder = new TextDecoder();
    near.start({
      onData: (chunk) => void seen.push(decoder.decode(chunk)),
      onDrain() {},
      onEnd() {},
      onClose() {},
    });
    const say = (...ids: string[]) => {
      for (const id of ids)
        near.write(new TextEncoder().encode(`[${id.length}#co_begin]${id}[7#]run("")[${id.length}#co_end]${id}`));
    };
    say("101", "102;x;n", "103;x;n;e");
    await expect.poll(() => seen.join("")).toContain("[3#co_ack_end]103");
    const said = [...seen.join("").matchAll(/HbiError\(.*?\)/g)].map(([text]) => text);
    const before = 'HbiError("aborted","no",{"retryAfterMs":5,"plan":"free"}';
    expect(said).toEqual([`${before})`, `${before})`, `${before},None,"run.quota_exceeded")`]);
    near.destroy();
  });
});

describe("callsOver", () => {
  const over = (...objects: string[]) =>
    callsOver(jobs, { carry: async (call) => objects.map((text) => call.land(text)) });
  const text = (details: object, declared = "run.quota_exceeded") =>
    `HbiError("aborted", "no", ${repr(details)}, None, ${repr(declared)})`;

  it("recognises the errors of its methods", async () => {
    const { call, script, try: tried } = over(text({ retryAfterMs: 5 }));
    const expected = { declared: "quota_exceeded", code: "aborted", details: { retryAfterMs: 5, plan: "free" } };
    expect(await failed(call.run({ how: "" }))).toMatchObject(expected);
    expect(await failed(script((s) => [s.run({ how: "" }), s.plain({ how: "" })]))).toMatchObject(expected);
    expect((await tried.run({ how: "" })).error).toMatchObject(expected);
    expect("declared" in (await failed(call.plain({ how: "" })))).toBe(false);
  });

  it("refuses details that do not fit", async () => {
    const { call } = over(text({ retryAfterMs: "soon" }));
    expect(await failed(call.run({ how: "" }))).toMatchObject({ code: "internal", reason: "bad_answer" });
  });
});
