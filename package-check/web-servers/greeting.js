// The service that the servers beside this file have.
import { defineService, method } from "hbi";
import { z } from "zod";

export const greeting = defineService({
  name: "greeting",
  version: "1.0.0",
  methods: { hello: method({ params: { name: z.string() }, result: z.string() }) },
});
export const handlers = () => ({ hello: ({ name }) => `hello, ${name}` });
export const options = { path: "/hbi", origins: ["https://app.example.com"] };
