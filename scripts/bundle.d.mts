/** What `bundle.mjs` exports, for tests. */

export interface Part {
  /** minified */
  readonly bytes: number;
  /** minified and gzipped */
  readonly gzippedBytes: number;
  /** the files of which something is left */
  readonly files: readonly { readonly path: string; readonly gzippedBytes: number }[];
}

export interface Bundle {
  readonly entry: string;
  readonly chunks: readonly { readonly fileName: string; readonly code: string }[];
  /** what is loaded before the program runs */
  readonly first: Part;
  /** what is loaded on demand */
  readonly later: readonly (Part & { readonly name: string })[];
  /** what is imported and not part of it */
  readonly imports: readonly string[];
}

export declare const PROGRAMS: Readonly<Record<"definition" | "client" | "browser" | "node", string>>;

export interface BundleOptions {
  readonly alias?: readonly { readonly find: RegExp; readonly replacement: string }[];
  readonly external?: readonly (string | RegExp)[];
  readonly folder?: string;
}

export declare function bundle(program: string, options?: BundleOptions): Promise<Bundle>;
