/**
 * One service in two versions, neither of which knows everything that the other sends: each refuses something that is right for the
 * other, and the older one lacks a method and two reactions.
 */
import { defineService, method } from "hbi";
import { z } from "zod";

const size = z.int().min(0).max(10_000_000);
const n = z.int();
const upload = method({ params: { size }, body: ({ size }) => size, result: n });
const text = (most: number) => ({ text: z.string().max(most) });

export const OLDER_TEXT = 20;
export const NEWER_COUNT = 100;

export const older = defineService({
  name: "shop",
  version: "1.0.0",
  methods: {
    search: method({ params: text(OLDER_TEXT), result: n }),
    order: method({ params: { count: n }, result: n }),
    upload,
  },
  reactions: { news: method({ params: text(OLDER_TEXT) }) },
});

export const newer = defineService({
  name: "shop",
  version: "2.0.0",
  methods: {
    search: method({ params: text(200), result: n }),
    order: method({ params: { count: n.max(NEWER_COUNT) }, result: n }),
    upload,
    suggest: method({ params: text(200), result: n }),
  },
  reactions: {
    news: method({ params: text(200) }),
    alert: method({ params: text(200), result: n }),
    progress: method({ params: { part: n } }),
  },
});

export type Older = typeof older;
export type Newer = typeof newer;
export type Version = "older" | "newer";
