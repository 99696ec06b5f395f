/**
 * Names of the library's own methods, which peers of this implementation offer each other. docs/protocol.md, section 7.
 */
export const CANCEL = "$hbi.cancel";
export const PING = "$hbi.ping";
export const DESCRIBE = "$hbi.describe";
export const GO_AWAY = "$hbi.goaway";
export const AUTHENTICATE = "$hbi.authenticate";

/** Whether a script is one of those that must get through when everything else waits: one short call, no more. Asked again and again
 *  while it waits, so a long text is not looked at. */
export function isUrgent(code: string): boolean {
  return code.length <= LONGEST_URGENT && URGENT.test(code);
}

/** `$hbi.goaway` with a reason of 512 characters, each of them escaped. */
const LONGEST_URGENT = 1_100;

const URGENT = /^\$hbi\.(?:cancel|ping|goaway)\((?:"(?:[^"\\]|\\.)*")?\)$/;
