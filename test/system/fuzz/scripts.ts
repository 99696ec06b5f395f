/**
 * Arbitrary scripts: generated from the grammar, as each kind of peer writes them, and then damaged a little. Random text
 * would be refused at its first character and prove nothing.
 */
import fc from "fast-check";

const constant = fc.constantFrom(
  "null",
  "None",
  "undefined",
  "nil",
  "nil<nil>",
  "true",
  "True",
  "false",
  "False",
  "nan",
  "inf",
  "-inf",
  "+Inf",
);
const integer = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }).map(String),
  fc.nat().map((n) => `0x${n.toString(16)}`),
  fc.constantFrom("010", "0", "-0", "00", "1_000", "10n", "999999999999999", "9007199254740991", "9007199254740993"),
);
const float = fc.oneof(
  fc.double().map((n) => (Number.isFinite(n) ? String(n) : "0.5")),
  fc.constantFrom("-0.0", "1e400", "1.", ".5", "1e+16", "5e-324", "9007199254740993.0", "1E5"),
);
const content = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.constantFrom("__proto__", "constructor", "it's", 'say "x"', "\ud800", "\u2028", "a\\b", "#", "//", "\0"),
);
const string = fc.oneof(
  content.map((text) => JSON.stringify(text)),
  content.map(
    (text) => `'${text.replace(/[\\'\n\r]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`)}'`,
  ),
  fc.constantFrom(
    String.raw`"\u005f_proto__"`,
    String.raw`"\a"`,
    String.raw`'\U0001f600'`,
    String.raw`"\q"`,
    String.raw`b'\xff'`,
  ),
);
const space = fc.constantFrom("", "", "", " ", "\n", "\t", "\r\n", "/**/", "# c\n");

const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, depthSize: "small", withCrossShrink: true },
    fc.oneof(constant, integer, float, string),
    list("[", "]", tie("value")),
    list("(", ")", tie("value")),
    list(
      "{",
      "}",
      fc
        .tuple(fc.oneof(string, fc.constantFrom("a", "b", "1", "True", "-1")), space, tie("value"))
        .map(([k, s, v]) => `${k}:${s}${v}`),
    ),
    rich(tie("value")),
    fc
      .tuple(fc.constantFrom("f", "g.h", "Point", "nil", "$dates", "$hbi.x"), list("(", ")", tie("value")))
      .map(([name, args]) => `${name}${args}`),
  ),
}));

/** Rich values, of which some are refused. */
function rich(item: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof(
    fc
      .oneof(fc.integer().map(String), fc.constantFrom("-0.0", "8640000000000000", "1e20", ".5", "9n", "[1]"))
      .map((ms) => `$date(${ms})`),
    fc.constantFrom("'a:'", '"https://a.example/"', '"https://a.example"', "1", "'b', 1").map((url) => `$url(${url})`),
    fc.tuple(list("[", "]", item), fc.constantFrom("", "", ",", ",1")).map(([items, more]) => `$set(${items}${more})`),
    list("[", "]", list("[", "]", item)).map((pairs) => `$map(${pairs})`),
    list(
      "[",
      "]",
      fc.tuple(item, item).map(([key, value]) => `[${key},${value}]`),
    ).map((pairs) => `$map(${pairs})`),
  );
}

function list(open: string, close: string, item: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(fc.array(item, { maxLength: 5 }), space, fc.constantFrom("", "", "", ","))
    .map(
      ([items, gap, trailing]) => `${open}${items.join(`,${gap}`)}${items.length > 0 ? trailing : ""}${gap}${close}`,
    );
}

const argument = fc.oneof(
  value,
  fc.tuple(fc.constantFrom("a", "b", "x.y", "class"), value).map(([name, text]) => `${name}=${text}`),
);
const call = fc
  .tuple(
    fc.constantFrom("do_job", "svc.ping", "f", "do_job", "svc.ping", "a.b.c.d.e.f.g.h.i", "new", "import.meta"),
    space,
    fc.array(argument, { maxLength: 4 }),
    space,
  )
  .map(([name, before, args, after]) => `${name}${before}(${args.join(", ")}${after})`);
const statement = fc.oneof(
  call,
  call,
  value,
  value.map((text) => `x = ${text}`),
);
const whole = fc
  .tuple(space, fc.array(statement, { minLength: 1, maxLength: 4 }), fc.constantFrom("\n", ";", "; ", "\r\n"), space)
  .map(([before, statements, separator, after]) => before + statements.join(separator) + after);

const PIECES = [..."()[]{},:;=.'\"\\#/*+-_n0ex\n \u0000", "__proto__", "=>", "${", "`", "\ud800"];

/** As most peers that are no Python write: what JSON.parse may read. */
const json = fc.oneof(
  { arbitrary: fc.jsonValue({ maxDepth: 4 }).map((item) => JSON.stringify(item)), weight: 5 },
  {
    arbitrary: fc.constantFrom(
      '{"__proto__":1}',
      String.raw`{"\u005f_proto__":1}`,
      '{"a":1,"b":2,"a":3}',
      "[1e99,1e100]",
    ),
    weight: 1,
  },
);
const jsonStyle = fc
  .tuple(fc.constantFrom("do_job(", "svc.ping(", "delete(", "None(", "["), fc.array(json, { maxLength: 4 }))
  .map(([open, items]) => `${open}${items.join(", ")}${open === "[" ? "]" : ")"}`);

/** One damage: a piece cut out, doubled, or something put in. */
const damage = fc.tuple(fc.nat(), fc.nat(8), fc.constantFrom("cut", "double", "insert"), fc.constantFrom(...PIECES));

/** Generated scripts, and those of `recorded`, whole and damaged. */
export function scripts(recorded: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.oneof(
        { arbitrary: whole, weight: 3 },
        { arbitrary: jsonStyle, weight: 1 },
        { arbitrary: fc.constantFrom(...recorded), weight: 1 },
      ),
      fc.oneof(fc.constant([]), fc.array(damage, { minLength: 1, maxLength: 2 })),
    )
    .map(([text, damages]) =>
      damages.reduce(
        (damaged, [at, length, kind, piece]) => applied(damaged, at % (damaged.length + 1), length, kind, piece),
        text,
      ),
    );
}

/** Longer ones are large data, and their beginning is as good. */
const MAX_DAMAGED_LENGTH = 300;

/** Each text ended at each place, without each character, and with each piece somewhere. */
export function* damaged(texts: readonly string[]): Generator<string> {
  for (const whole of new Set(texts.map((text) => text.slice(0, MAX_DAMAGED_LENGTH)))) {
    for (let at = 0; at < whole.length; at++) {
      yield whole.slice(0, at);
      yield applied(whole, at, 1, "cut", "");
      yield applied(whole, at, 0, "insert", PIECES[at % PIECES.length] ?? "");
    }
  }
}

function applied(text: string, at: number, length: number, kind: string, piece: string): string {
  const head = text.slice(0, at);
  const tail = text.slice(at);
  if (kind === "cut") return head + tail.slice(length);
  return kind === "double" ? head + tail.slice(0, length) + tail : head + piece + tail;
}
