/**
 * The test contract as a server, for the conformance runner and for peers of other implementations. Usage: [HOST:PORT]
 */
import { HBIS } from "hbi/node";
import { contractEnv } from "../conformance/contract.ts";

const server = new HBIS(process.argv[2] ?? "127.0.0.1:0", contractEnv, { extension: false });
await server.listen();
console.log(`listening on ${server.address}`);
process.stdin.resume().once("end", () => process.exit());
