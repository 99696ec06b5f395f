/** What `chromium.mjs` exports, for tests. */
export declare function findChromium():
  | { readonly path: string; readonly why?: never }
  | { readonly path?: never; readonly why: string };
export declare function installChromium(): void;
