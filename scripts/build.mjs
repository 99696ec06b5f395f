// npm run build, which npm also runs before it packs: the library into dist/ as it is published. Without source maps: they would be
// larger than the code, which is readable itself: it is the source, comments and all, without the types.
import { build } from "./setup.mjs";

build({ sourceMap: false });
