/**
 * Grounds: the target: a server and its good client, each a process. One attack at a time.
 */
import type { LimitOptions } from "hbi";
import type { Attack } from "./attack.ts";
import { Child } from "./child.ts";
import type { Workplace } from "./result.ts";
import type { Kind } from "./service.ts";

/** The built form of a program of this folder. */
export type Program = (name: "server" | "client") => string;

export class Grounds {
  readonly server: Child;
  readonly client: Child;
  readonly place: Workplace;

  private constructor(server: Child, client: Child, place: Workplace) {
    this.server = server;
    this.client = client;
    this.place = place;
  }

  /** The grounds that this attack needs. */
  static async prepare(attack: Attack, program: Program): Promise<Grounds> {
    const server = new Child(program("server"));
    const client = new Child(program("client"));
    const { kind, limits } = needs(attack);
    const listening = await server.ask<{ address: string; ca?: string }>("listen", { kind, limits });
    const place: Workplace = { kind, ...listening };
    await client.ask("work", place);
    return new Grounds(server, client, place);
  }

  async stop(): Promise<void> {
    await Promise.all([this.server.stop(), this.client.stop()]);
  }
}

/** Attacks with the same needs may use the same grounds, one after the other. */
export function needs({ kind = "open", target, limits = {} }: Attack): { kind: Kind; limits: LimitOptions } {
  return { kind, limits: target === "client" ? {} : limits };
}
