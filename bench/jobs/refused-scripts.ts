/**
 * Scripts that a host accepts and scripts that it refuses, all of the same size.
 */

export interface Script {
  readonly row: string;
  readonly isAccepted: boolean;
  readonly text: string;
}

type Shape = readonly [row: string, head: string, filler: string, tail: string];

/** The methods of the job's server: take_text(text, n), take_numbers(items, n), take_texts(items, n). */
const ACCEPTED: readonly Shape[] = [
  ["accepted: a text", 'take_text("', "a", '",1)'],
  ["accepted: numbers", "take_numbers([1", ",1", "],1)"],
  ["accepted: numbers, not JSON at their end", "take_numbers([1", ",1", ",],1)"],
  ["accepted: texts, Python style", "take_texts(['a'", ",'a'", "],1)"],
];

const REFUSED: readonly Shape[] = [
  ["wrong argument", "take_text([1", ",1", "],1)"],
  ["unknown name", 'take_tact("', "a", '",1)'],
  ["text without end", 'take_text("', "a", ""],
  ["a comma too many", "take_numbers([1", ",1", ",,1)"],
  ["brackets", "take_numbers(", "[", ""],
  ["braces", "take_numbers(", "{a:", ""],
  ["parentheses", "", "(", ""],
  ["sums", "take_numbers(1", "+1", ",1)"],
  ["negations", "take_numbers(", "-", "1,1)"],
  ["calls of calls", "take_text", "()", ""],
  ["member chain", "take_text", ".a", "(1)"],
  ["arrow functions", "take_text(", "a=>", "1)"],
  ["templates", "take_text(`", "$" + "{1}", "`)"],
  ["regular expression", "take_text(/", "a", "/)"],
  ["statements", "a", ";a", ""],
  ["comment", "take_text(/*", "/*", ""],
  ["one name", "", "a", ""],
  ["one number", "", "1", ""],
  ["escapes", 'take_text("', "\\u0041", "\\u00"],
  ["bad escape behind quotes", "take_texts(['", "\\'", "\\x'],1)"],
  ["spaces", "take_text(", " ", ""],
  ["stray signs", "take_text(", "#@", ")"],
];

/** All have `bytes` bytes; the remainder is filled with spaces at the end. */
export function scriptsOf(bytes: number): Script[] {
  const fill = ([row, head, filler, tail]: Shape, isAccepted: boolean): Script => {
    const count = Math.floor((bytes - head.length - tail.length) / filler.length);
    return { row, isAccepted, text: `${head}${filler.repeat(count)}${tail}`.padEnd(bytes) };
  };
  return [...ACCEPTED.map((shape) => fill(shape, true)), ...REFUSED.map((shape) => fill(shape, false))];
}
