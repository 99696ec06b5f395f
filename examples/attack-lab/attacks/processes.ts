/**
 * Servers with a process for each consumer: too many processes, and processes that cannot be reached.
 */
import type { Attack } from "../attack.ts";
import { call } from "../bytes.ts";

/** An address of 127.0.0.0/8, which is this machine on Linux. */
const address = (i: number) => `127.2.0.${i + 1}`;

/** A consumer waits for its process as long as this; on a busy machine, one takes seconds to start. */
const limits = { connectTimeoutMs: 60_000 };

export const processes: readonly Attack[] = [
  {
    name: "more consumers than processes",
    limit: "maxProcesses",
    kind: "processes",
    limits,
    caught: "too_many_connections",
    async run(field) {
      const attackers = await field.openMany(20, address);
      await field.logs("too_many_connections");
      field.remarks.push(`${attackers.filter(({ isOpen }) => isOpen).length} of 20 were taken`);
    },
  },
  {
    name: "more consumers of one address than it may have processes",
    limit: "maxProcessesPerAddress",
    kind: "processes",
    limits,
    caught: "too_many_connections",
    async run(field) {
      const attackers = await field.openMany(20, () => address(1));
      await field.logs("too_many_connections");
      await field.welcomes();
      field.remarks.push(`${attackers.filter(({ isOpen }) => isOpen).length} of 20 were taken`);
    },
  },
  {
    name: "a consumer whose call never returns",
    limit: "hangTimeoutMs",
    kind: "processes",
    limits,
    caught: "worker_failed",
    async run(field) {
      const attacker = await field.open(address(1));
      attacker.say(call("spin(120000)"));
      await field.logs("worker_failed"); // it has ended the process
    },
  },
];
