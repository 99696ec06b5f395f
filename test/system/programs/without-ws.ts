/**
 * What dialing and serving WebSockets says where the package ws is not installed, on a platform without a `WebSocket`: a JSON array of
 * the messages, each with the prefix of its code.
 */
import { register } from "node:module";
import { z } from "zod";

const hooks = `export const resolve = (name, context, next) => {
  if (name !== "ws") return next(name, context);
  throw Object.assign(new Error("Cannot find package 'ws'"), { code: "ERR_MODULE_NOT_FOUND" });
};`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
Reflect.deleteProperty(globalThis, "WebSocket");

const { connect: connectByWeb, defineService, HbiError, method } = await import("hbi");
const { connect, serve } = await import("hbi/node");
const ADDRESS = "ws://127.0.0.1:1";
const one = defineService({ name: "one", version: "1.0.0", methods: { one: method({ params: {}, result: z.int() }) } });
const refused = [
  () => serve(one, "ws://127.0.0.1:0", () => ({ one: () => 1 })),
  () => connect(one, ADDRESS),
  () => connectByWeb(one, ADDRESS, {}, {}),
];
const messages: string[] = [];
for (const attempt of refused) {
  const error: unknown = await attempt().then(
    () => "not refused",
    (thrown: unknown) => thrown,
  );
  messages.push(error instanceof HbiError ? `${error.reason}: ${error.message}` : String(error));
}
console.log(JSON.stringify(messages));
