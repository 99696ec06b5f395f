import type { CredentialsOf } from "hbi";
import { connect, dialSocket, HBIC, HBIS, nodeSocketTransport, Server, serve } from "hbi/node";
import { full, minimal } from "./portable.js";
export const handlers = () => ({ plain: ({ a }: { a: number }) => a });
export const server = await serve(minimal, "127.0.0.1:0", handlers);
export const start = () => serve(minimal, "127.0.0.1:0", () => ({ plain: ({ a }) => a }), { authorize: () => true });
export const link = await connect(minimal, server.address);
export const open = (address: string) => connect(minimal, address);
export const full2 = await connect(
  full,
  server.address,
  { seen: () => undefined, ask: () => true },
  { credentials: { token: "a" } },
);
export const peers = server.peers;
export const first = [...server.peers][0];
export const all = { connect, serve, HBIC, HBIS, dialSocket, nodeSocketTransport, Server };
export const authed = await serve(
  full,
  "127.0.0.1:0",
  (_peer) => ({
    noParams: () => undefined,
    plain: ({ a }) => a,
    withBody: async (_p, call) => String((await call.bytes()).length),
    manual: () => ({ a: 1 }),
    download: () => ({ result: { size: 0 }, body: new Uint8Array() }),
    noted: () => undefined,
    list: () => [],
    other: () => undefined,
    "a.b": () => undefined,
    inline: () => ({}),
  }),
  { authenticate: ({ token }: CredentialsOf<typeof full>) => ({ user: token }) },
);
