/**
 * The definitions that the type tests are about: one with everything that a service can declare, and small ones that lack it.
 */
import { defineService, method, value } from "hbi";
import { z } from "zod";

export class Spot {
  readonly row: number;
  readonly shelf: number;

  constructor(row: number, shelf: number) {
    this.row = row;
    this.shelf = shelf;
  }
}

export const spot = value({
  params: { row: z.int(), shelf: z.int() },
  make: ({ row, shelf }) => new Spot(row, shelf),
  is: (given) => given instanceof Spot,
});

export const Parcel = z.strictObject({ id: z.string(), grams: z.int() });

export const depot = defineService({
  name: "depot",
  version: "1.0.0",
  methods: {
    /** required, optional and defaulted parameters, and a result */
    move: method({
      params: {
        id: z.string(),
        to: z.int(),
        note: z.string().optional(),
        speed: z.enum(["slow", "fast"]).default("slow"),
      },
      result: Parcel,
    }),
    /** no parameters */
    count: method({ params: {}, result: z.int() }),
    /** optional parameters only */
    list: method({ params: { limit: z.int().optional(), after: z.string().optional() }, result: z.array(z.string()) }),
    /** one parameter each, for what is given by itself */
    find: method({ params: { label: z.string() }, result: z.string() }),
    weigh: method({ params: { id: z.string() }, result: z.number() }),
    label: method({ params: { parcel: Parcel }, result: z.string() }),
    /** no result */
    note: method({ params: { line: z.string() } }),
    /** raw data behind the call */
    store: method({ params: { id: z.string(), size: z.int() }, body: ({ size }) => size, result: Parcel }),
    /** raw data that only the handler can tell the length of */
    feed: method({ params: { id: z.string() }, body: "manual", result: z.int() }),
    /** raw data behind the result */
    fetch: method({
      params: { id: z.string() },
      result: z.strictObject({ size: z.int() }),
      resultBody: ({ size }) => size,
    }),
    /** a value of its own kind, as a parameter and as the result */
    place: method({ params: { id: z.string(), at: spot.schema }, result: spot.schema }),
  },
  reactions: {
    moved: method({ params: { id: z.string(), to: z.int() } }),
    confirm: method({ params: { question: z.string() }, result: z.boolean() }),
  },
  values: { Spot: spot },
});

export const guarded = defineService({
  name: "guarded",
  version: "1.0.0",
  methods: { hello: method({ params: {}, result: z.string() }) },
  reactions: { bye: method({ params: {} }) },
  credentials: { token: z.string(), asked: z.int().default(0) },
});

/** neither reactions nor credentials */
export const plain = defineService({
  name: "plain",
  version: "1.0.0",
  methods: { hello: method({ params: { name: z.string() }, result: z.string() }) },
});
