/**
 * fast-path: text into every way of reading it. None can be told apart from the parser with acorn's tokens.
 */
import { difference } from "../../test/fuzz/parser.ts";
import { must, type Target } from "../engine/target.ts";
import { scriptInputs, scriptWords } from "./script.ts";

export const fastPath: Target = {
  name: "fast-path",
  about: "text into every way of reading it: the same value or the same refusal at the same place as with acorn",
  words: scriptWords,
  isText: true,
  baseMs: 50,
  inputs: scriptInputs,
  run(input) {
    const text = new TextDecoder().decode(input);
    must(difference(text) === undefined, `the ways differ for ${JSON.stringify(text)}`);
  },
};
