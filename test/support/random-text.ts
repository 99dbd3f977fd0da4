/** Random text requests, classic and meta, most of them sound and some of them not. One character per byte. */
import fc from "fast-check";

/** Few keys, so that requests meet. */
const KEYS: readonly string[] = [..."abcdefgh", "key:with:colons", "\xff\x80", "k".repeat(250)];

const key: fc.Arbitrary<string> = fc.constantFrom(...KEYS);
/** None is empty or blank: memcached's incr reads on behind such a value, and finds what was there before. */
const value: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.string({ maxLength: 20, unit: "binary-ascii" }).map((text) => `${text}.`),
  },
  // Numbers that no decr makes shorter: memcached pads those with blanks, or not, as its buffers have it.
  { weight: 4, arbitrary: fc.integer({ min: 5e9, max: 6e9 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom("END\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n", "\r\n.") },
  { weight: 1, arbitrary: fc.integer({ min: 500, max: 1900 }).map((size) => "v".repeat(size)) },
);
const flags: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("0", "5", "4294967295") },
  {
    weight: 1,
    arbitrary: fc.constantFrom("-1", "x", "4294967296", "+7", "007", "-0", "18446744073709551616"),
  },
);
const exptime: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("0", "1000", "-1", "2147483647") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "x",
      "4294967296",
      "-5000000000",
      "1.5",
      "+1000",
      "99999999999999999999",
    ),
  },
);
const delta: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.nat({ max: 30 }).map(String) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "-1",
      "x",
      "18446744073709551615",
      "18446744073709551616",
      "+3",
      "1\tx",
    ),
  },
);
const noreply: fc.Arbitrary<string> = fc.constantFrom(
  "",
  "",
  "",
  " noreply",
  " noreply",
  " foo",
  " noreply x",
);
const eol: fc.Arbitrary<string> = fc.constantFrom("\r\n", "\r\n", "\r\n", "\r\n", "\n", " \r\n");

const storage: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom("set", "set", "set", "add", "replace", "append", "prepend"),
    key,
    flags,
    exptime,
    value,
    fc.tuple(noreply, eol),
  )
  .map(
    ([name, k, f, e, v, [quiet, end]]) =>
      `${name} ${k} ${f} ${e} ${v.length}${quiet}${end}${v}\r\n`,
  );

const large: fc.Arbitrary<string> = fc
  .tuple(key, fc.integer({ min: 2000, max: 200_000 }))
  .map(([k, size]) => `set ${k} 0 0 ${size}\r\n${"L".repeat(size)}\r\n`);

const cas: fc.Arbitrary<string> = fc
  .tuple(key, delta, value, noreply)
  .map(([k, unique, v, quiet]) => `cas ${k} 0 0 ${v.length} ${unique}${quiet}\r\n${v}\r\n`);

/** What a wrong size before it swallows or leaves: a line that is no command, instead of the next request's. */
const FILLER = `${"y".repeat(12)}\r\n`;
/** The announced size is not the real one, or no number. */
const wrongSize: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom("set", "append", "ms"),
    key,
    fc.integer({ min: 2, max: 9 }),
    fc.integer({ min: -2, max: 3 }),
    noreply,
  )
  .map(([name, k, size, error, quiet]) =>
    name === "ms"
      ? `ms ${k} ${size + error}\r\n${"w".repeat(size)}\r\n${FILLER}`
      : `${name} ${k} 0 0 ${size + error}${quiet}\r\n${"w".repeat(size)}\r\n${FILLER}`,
  );
const badSize: fc.Arbitrary<string> = fc
  .tuple(
    key,
    fc.constantFrom(
      "-1",
      "x",
      "",
      "2147483646",
      "4294967298",
      "18446744073709551617",
      "+2",
      "02",
      "2\tz",
      "2.0",
    ),
    noreply,
  )
  .map(([k, size, quiet]) => `set ${k} 0 0 ${size}${quiet}\r\nzz\r\n`);

const get: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom("get", "get", "gets"),
    fc.array(key, { minLength: 1, maxLength: 30 }),
    fc.constantFrom(" ", " ", " ", "  "),
    eol,
  )
  .map(([name, keys, blank, end]) => `${name} ${keys.join(blank)}${end}`);
const gat: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom("gat", "gats"), exptime, fc.array(key, { maxLength: 12 }), eol)
  .map(([name, e, keys, end]) => `${[name, e, ...keys].join(" ")}${end}`);

const simple: fc.Arbitrary<string> = fc.oneof(
  fc
    .tuple(fc.constantFrom("incr", "decr"), key, delta, noreply, eol)
    .map(([n, k, d, quiet, end]) => `${d.length < 10 ? n : "incr"} ${k} ${d}${quiet}${end}`),
  fc.tuple(key, exptime, noreply, eol).map(([k, e, quiet, end]) => `touch ${k} ${e}${quiet}${end}`),
  fc
    .tuple(key, fc.constantFrom("", "", " 0", " 1"), noreply, eol)
    .map(([k, hold, quiet, end]) => `delete ${k}${hold}${quiet}${end}`),
);

const metaKey: fc.Arbitrary<{ readonly text: string; readonly flag: string }> = fc.oneof(
  { weight: 4, arbitrary: key.map((text) => ({ text, flag: "" })) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("a", "b", "c", "with blank", "\0\r\x01")
      .map((text) => ({ text: Buffer.from(text, "latin1").toString("base64"), flag: " b" })),
  },
);
const anyFlag: fc.Arbitrary<string> = fc.constantFrom(
  ..."b f h k s v q u I".split(" "),
  ..."Oabc O Oxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx Oxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".split(" "),
  ..."T0 T1000 T-1 Tx T N0 N500 Nx R30 Rx F5 Fx F4294967296 C1 Cx MA MP ME MR MS MI MD M+ M- MX M J5 Jx D2 Dx P1 L1".split(
    " ",
  ),
  ..."! 5 Z \xff vv qx".split(" "),
);
/** Flags for a command; `often` are those that suit it. */
function flagList(often: readonly string[]): fc.Arbitrary<string> {
  const flag = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...often) },
    { weight: 1, arbitrary: anyFlag },
  );
  return fc.array(flag, { maxLength: 6 }).map((list) => {
    // Repeated ones are an error: now and then will do.
    const unique =
      list.length < 6 ? [...new Map(list.map((text) => [text[0], text])).values()] : list;
    return unique.map((text) => ` ${text}`).join("");
  });
}

const meta: fc.Arbitrary<string> = fc.oneof(
  fc
    .tuple(metaKey, flagList("v v v q q k Oab s f h u T1000 N500 R30".split(" ")), eol)
    .map(([k, f, end]) => `mg ${k.text}${k.flag}${f}${end}`),
  fc
    .tuple(metaKey, value, flagList("q q k Oab T0 T1000 F5 ME MA MP MR MS I C1".split(" ")), eol)
    .map(([k, v, f, end]) => `ms ${k.text} ${v.length}${k.flag}${f}${end}${v}\r\n`),
  fc
    .tuple(metaKey, flagList("q k Oab I T1000 C1".split(" ")), eol)
    .map(([k, f, end]) => `md ${k.text}${k.flag}${f}${end}`),
  // memcached answers a quiet `ma` that creates the item, but not one that finds it: which it was, no reply says.
  fc
    .tuple(
      metaKey,
      flagList("v v k Oab D2 J5 MI MD C1 T1000".split(" ")),
      fc.constantFrom(" q", " N0", ""),
      eol,
    )
    .map(([k, f, last, end]) => `ma ${k.text}${k.flag}${/ [qN]/.test(f) ? "" : f}${last}${end}`),
  fc.tuple(metaKey, eol).map(([k, end]) => `me ${k.text}${k.flag}${end}`),
  fc.constant("mn\r\n"),
);

const other: fc.Arbitrary<string> = fc.constantFrom(
  ..."get|gat|gat 0|gat x a|set|set a 0 0|incr a|touch a|delete|delete a b c d|mg|ms|ms a|md|ma|me|mx a|m"
    .split("|")
    .map((text) => `${text}\r\n`),
  ..."flush_all x|flush_all 0 0 0|flush_all noreply|flush_all 0 noreply|flush_all -1|flush_all"
    .split("|")
    .map((text) => `${text}\r\n`),
  ..."verbosity|verbosity 0|verbosity x|verbosity 0 noreply|shutdown|nothing here|GET a|stats nothing"
    .split("|")
    .map((text) => `${text}\r\n`),
  "set z 0 0 0\r\n\r\nget z\r\nmg z v\r\n",
  "\r\n",
  "\n",
  " \r\n",
  "get a\0b\r\n",
  "\0get a\r\n",
  "get a\rb c\r\r\n",
  "set \0 0 0 1\r\n",
  "get\ta\r\n",
  "\x81\x80\x80\r\n",
  `set ${"l".repeat(251)} 0 0 1\r\nx\r\n`,
  `set ${"l".repeat(251)} 0 0 1 noreply\r\nx\r\n`,
  `delete ${"l".repeat(251)}\r\n`,
  `mg ${"l".repeat(251)}\r\n`,
  `ms ${"l".repeat(251)} 1\r\nx\r\n`,
  `set a 0 0 1048577\r\n${"x".repeat(1_048_577)}\r\n`,
  `ms a 1048577 q\r\n${"x".repeat(1_048_577)}\r\n`,
  `mg a${" v".repeat(30)}\r\n`,
  `ms a 1${" P1".repeat(30)}\r\nx\r\n`,
);

export const anyTextRequest: fc.Arbitrary<string> = fc.oneof(
  { weight: 12, arbitrary: storage },
  { weight: 1, arbitrary: large },
  { weight: 2, arbitrary: cas },
  { weight: 1, arbitrary: wrongSize },
  { weight: 1, arbitrary: badSize },
  { weight: 12, arbitrary: get },
  { weight: 4, arbitrary: gat },
  { weight: 10, arbitrary: simple },
  { weight: 16, arbitrary: meta },
  { weight: 3, arbitrary: other },
);
