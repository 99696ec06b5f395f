/**
 * Connections: too many, too fast, and silent ones.
 */
import type { Attack } from "../attack.ts";

/** An address of 127.0.0.0/8, which is this machine on Linux. */
const address = (i: number) => `127.1.${Math.floor(i / 250)}.${(i % 250) + 1}`;

export const connections: readonly Attack[] = [
  {
    name: "10,000 idle connections of 120 addresses",
    limit: "maxConnections",
    limits: { acceptsPerSecond: 10_000 },
    caught: { by: "the next is refused" },
    mostMib: 256,
    mostHeldMs: 150, // hundreds are accepted in one turn
    async run(field) {
      const wanted = field.many(10_050);
      const attackers = await field.openMany(wanted, (i) => address(i % 120));
      await field.passes();
      field.remarks.push(`${attackers.filter(({ isOpen }) => isOpen).length} of ${wanted} were taken`);
    },
  },
  {
    name: "200 connections of one address",
    limit: "maxConnectionsPerAddress",
    limits: { acceptsPerSecond: 10_000 },
    caught: "too_many_connections",
    async run(field) {
      const attackers = await field.openMany(200, () => address(1));
      await field.passes();
      field.remarks.push(`${attackers.filter(({ isOpen }) => isOpen).length} of 200 were taken`);
    },
  },
  {
    name: "a storm of connections of one address",
    limit: "acceptsPerSecond",
    limits: { acceptsPerSecond: 20 },
    caught: "too_many_connections",
    async run(field) {
      let dials = 0;
      let knocks = 0;
      let entries = 0;
      const dial = async (): Promise<void> => {
        for (; dials < 500 || !field.over.aborted; dials++) (await field.open(address(1))).destroy();
      };
      const knock = async (): Promise<void> => {
        while (!field.over.aborted) {
          knocks += 1;
          if ((await field.knock()) === undefined) entries += 1;
        }
      };
      await Promise.all([...Array.from({ length: 32 }, dial), knock(), knock(), knock()]);
      field.remarks.push(`${entries} of ${knocks} newcomers got in meanwhile`);
    },
  },
  {
    name: "connections that are reset at once",
    limit: "acceptsPerSecond",
    limits: { acceptsPerSecond: 40, connectTimeoutMs: 60_000 }, // for newcomers on a busy machine
    caught: "too_many_connections",
    async run(field) {
      let isOver = false;
      const dial = async (): Promise<void> => {
        while (!isOver) (await field.open(address(1))).reset();
      };
      const dialing = Promise.all(Array.from({ length: 32 }, dial));
      await field.passes();
      for (let i = 0; i < 3; i++) await field.welcomes();
      isOver = true;
      await dialing;
    },
  },
];
