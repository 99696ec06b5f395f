// Visits the server that the argument names: a page, a call, and an origin that is refused.
import { connect } from "hbi/node";
import { greeting } from "./greeting.js";

const { start } = await import(`./${process.argv[2]}.js`);
const { server, stop } = await start();
const page = await fetch(new URL("/", server.address.replace("ws:", "http:")));
const link = await connect(greeting, server.address);
const foreign = { webSocket: { headers: { origin: "https://evil.example" } } };
const said = [
  await page.text(),
  await link.call.hello({ name: "Ada" }),
  await connect(greeting, server.address, {}, foreign).catch(({ message }) => /HTTP status \d+/.exec(message)?.[0]),
];
await server.drain();
await stop();
console.log(said.join(", "));
