/**
 * TurnWriter: what has raw data for a lane. It keeps the data until the lane may send, so that it need not be copied before.
 */
export interface TurnWriter {
  /** Writes raw data, as much as there is room. */
  writeInTurn(): void;
}
