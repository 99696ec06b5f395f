/**
 * The process of a contender's server.
 */
import type { Served } from "../contenders/contender.ts";
import { loadContender } from "../contenders/contenders.ts";
import type { Requests } from "./child.ts";
import { type Usage, usage } from "./usage.ts";

let served: Served | undefined;

export const requests = {
  async serve(name: string): Promise<number> {
    served = await (await loadContender(name)).serve();
    return served.port;
  },
  usage: (): Usage => usage(served?.otherPid),
  usageAfterCollection(): Usage {
    global.gc?.();
    return usage(served?.otherPid);
  },
} satisfies Requests;
