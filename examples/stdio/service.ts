/**
 * A program that extends another one: it counts words, and asks for texts that it does not have.
 */
import { defineService, method } from "hbi";
import { z } from "zod";

export const words = defineService({
  name: "words",
  version: "1.0.0",
  methods: { count: method({ params: { file: z.string() }, result: z.int() }) },
  reactions: { read: method({ params: { file: z.string() }, result: z.string() }) },
});
