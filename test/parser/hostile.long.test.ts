/**
 * The same for texts of a megabyte.
 */
import { readsInLinearTime } from "./hostile-texts.ts";

readsInLinearTime(1024);
