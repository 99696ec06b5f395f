/** What `page.mjs` exports, for tests. */

export declare function buildPage(folder: string): Promise<void>;
