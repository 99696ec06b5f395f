/** What a target of `npm run fuzz` says in the end; `found` is the input for which its property does not hold. */
export interface Found {
  readonly runs: number;
  readonly accepted: number;
  readonly found: string | undefined;
}
