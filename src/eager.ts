/**
 * Every part that a bundle loads on demand, from the beginning. Bundlers drop this file, because the package declares no
 * side effects.
 */
import { STREAMING } from "./endpoints/service/outgoing.ts";
import { Streaming } from "./endpoints/service/streaming.ts";
import { CONVERSING } from "./endpoints/session/conversing.ts";
import { conversing } from "./endpoints/session/conversing-parts.ts";
import { LANES } from "./endpoints/session/lane-supply.ts";
import { Lanes } from "./endpoints/session/lanes.ts";
import { LandingTokenizer } from "./parser/landing-tokenizer.ts";
import { RARE_TOKENS } from "./parser/rare-tokens.ts";

RARE_TOKENS.provide(LandingTokenizer);
CONVERSING.provide(conversing);
STREAMING.provide(Streaming);
LANES.provide(Lanes);
