/**
 * The names of the properties. docs/evidence.md says what each one means.
 */

/** checked in every state */
export const STATE_PROPERTIES = [
  "nothing is thrown",
  "closing resolves when it is closed",
  "settled once",
  "its own result",
  "answered only if handled",
  "handled once",
  "in the order of the calls",
  "nothing is lost that need not be",
  "mayHaveLanded false is true",
  "a lost call says whether it may have landed",
  "what was cancelled before does not begin",
] as const;

/** checked where nothing is on its way, where a run ends, and over all states together */
export const WIDER_PROPERTIES = [
  "every call settles without a deadline",
  "a cancellation reaches the handler",
  "nothing is left behind",
  "losing all connections ends everything",
  "an end can be reached",
  "mayHaveLanded is true only where it can be",
] as const;

export type StateProperty = (typeof STATE_PROPERTIES)[number];
export type Property = StateProperty | (typeof WIDER_PROPERTIES)[number];
