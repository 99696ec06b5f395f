/**
 * The reference's hello, as a client: lets the server print, says its name, shows the answer. Usage: client HOST:PORT [NAME]
 */
import { HostingEnv, method, script } from "hbi";
import { HBIC } from "hbi/node";
import { z } from "zod";

const [address = "127.0.0.1:3232", name = "Nick"] = process.argv.slice(2);

const env = new HostingEnv().expose("print", method({ params: { text: z.string() } }), ({ text }) => {
  console.log(text);
});

await using client = new HBIC(address, env);
const { po } = await client.connect();
const answer = await po.converse(async (co) => {
  await co.sendCode(script`
my_name = ${name}
hello()
`);
  return co.recvObj(z.string());
});
console.log(answer);
await client.drain();
