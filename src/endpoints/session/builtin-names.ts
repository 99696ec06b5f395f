/**
 * Names of the library's own methods, which its peers offer each other. docs/protocol.md, section 7.
 */
export const CANCEL = "$hbi.cancel";
export const PING = "$hbi.ping";
export const DESCRIBE = "$hbi.describe";
export const GO_AWAY = "$hbi.goaway";
export const AUTHENTICATE = "$hbi.authenticate";

/** Whether a script must pass while everything else waits: a single short call of these methods. Checked repeatedly
 *  while it waits, so a long text is not scanned. */
export function isUrgent(code: string): boolean {
  return code.length <= LONGEST_URGENT && URGENT.test(code);
}

/** `$hbi.goaway` with a reason of 512 escaped characters. */
const LONGEST_URGENT = 1_100;

const URGENT = /^\$hbi\.(?:cancel|ping|goaway)\((?:"(?:[^"\\]|\\.)*")?\)$/;
