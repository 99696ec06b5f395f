import { HostingEnv, method, script } from "hbi";
import { HBIC } from "hbi/node";
import { z } from "zod";

const env = new HostingEnv(); // what the server may call here
env.expose("hashed", method({ params: { name: z.string() } }), ({ name }) => console.log(`${name} is hashed`));

await using client = new HBIC("127.0.0.1:3232", env);
const { po } = await client.connect();

async function hash(name: string, data: Uint8Array): Promise<string> {
  return po.converse(async (co) => {
    await co.sendCode(script`hash(${name}, ${data.length})`); // values are escaped, never concatenated
    await co.sendData(data);
    return co.recvObj(z.string()); // validated
  });
}

const files = ["a", "bb", "ccc"].map((text) => hash(text, new TextEncoder().encode(text))); // pipelined
console.log(await Promise.all(files));
