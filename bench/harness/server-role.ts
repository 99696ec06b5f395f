/**
 * The process of a contender's server.
 */
import type { Served } from "../contenders/contender.ts";
import { loadContender } from "../contenders/contenders.ts";
import type { Requests } from "./child.ts";
import { type Usage, usage } from "./usage.ts";

export interface Build {
  readonly name: string;
  /** the present ones if omitted */
  readonly programs?: string;
}

/** What was served last. Only one contender has another process. */
let served: Served | undefined;

export const requests = {
  async serve({ name, programs }: Build): Promise<number> {
    served = await (await loadContender(name, programs)).serve();
    return served.port;
  },
  usage: (): Usage => usage(served?.otherPid),
  usageAfterCollection(): Usage {
    global.gc?.();
    return usage(served?.otherPid);
  },
} satisfies Requests;
