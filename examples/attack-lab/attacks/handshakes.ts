/**
 * TLS handshakes that do not finish.
 */
import { type Attack, QUICK } from "../attack.ts";

const kind = "tls";
const limits = QUICK;

export const handshakes: readonly Attack[] = [
  {
    name: "no handshake, on 90 connections",
    limit: "connectTimeoutMs",
    limits,
    kind,
    caught: "timeout",
    async run(field) {
      const attackers = await field.openMany(field.many(90));
      await Promise.all(attackers.map(({ closed }) => closed));
    },
  },
  {
    name: "a handshake, byte by byte",
    limit: "connectTimeoutMs",
    limits,
    kind,
    caught: "timeout",
    async run(field) {
      const attacker = await field.open();
      await attacker.drip(Buffer.from("16030102000100", "hex"), 150);
      await attacker.closed;
    },
  },
  {
    name: "no TLS at all",
    limit: "fixed: connect_failed",
    kind,
    caught: "connect_failed",
    async run(field) {
      const attacker = await field.open();
      attacker.say("[3#co_begin]101");
      await attacker.closed;
    },
  },
];
