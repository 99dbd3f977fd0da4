/** Random requests of memcached's text protocol, classic and meta, good and bad. */
import fc from "fast-check";

/** A request; `casAt` turns a small number into a CAS that an item may have. */
export type RandomRequest = (casAt: (offset: number) => bigint) => string;

const shortKey = fc.constantFrom("a", "b", "c", "YQ==");
const key = fc.oneof(
  { weight: 20, arbitrary: shortKey },
  { weight: 1, arbitrary: fc.constantFrom("k".repeat(250), "k".repeat(251)) },
);
const value = fc.oneof(
  fc.constantFrom("", "1", "10", "99", "18446744073709551615", "5 ", " 5", "x", "x\r\ny", "END"),
  fc.nat(1000).map(String),
);
const flags = fc.constantFrom("0", "7", "4294967295", "4294967296", "x", "-1");
// No moment that two clocks could see differently.
const exptime = fc.constantFrom("0", "0", "0", "-1", "2000000", "x");
const noreply = fc.constantFrom("", "", "", " noreply", " other");
const delta = fc.constantFrom(
  "0",
  "1",
  "5",
  "18446744073709551615",
  "-1",
  "x",
  "99999999999999999999",
);
const offset = fc.nat(12);

const storage = fc
  .record({
    name: fc.constantFrom("set", "set", "add", "replace", "append", "prepend"),
    key,
    flags,
    exptime,
    value,
    noreply,
    // Announces more or less than comes.
    error: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1, -1),
  })
  .map(({ name, key: of, flags: bits, exptime: until, value: data, noreply: end, error }) => {
    const length = Math.max(0, data.length + error);
    return `${name} ${of} ${bits} ${until} ${length}${end}\r\n${data}\r\n`;
  });
// A long key in these makes memcached 1.6.18 forget replies to earlier requests.
const simple = fc.oneof(
  fc
    .tuple(fc.constantFrom("get", "gets"), fc.array(shortKey, { maxLength: 4 }))
    .map(([name, keys]) => `${name} ${keys.join(" ")}\r\n`),
  fc
    .tuple(fc.constantFrom("gat", "gats"), exptime, fc.array(shortKey, { maxLength: 3 }))
    .map(([name, until, keys]) => `${name} ${until} ${keys.join(" ")}\r\n`),
  fc
    .tuple(fc.constantFrom("incr", "decr"), key, delta, noreply)
    .map(([name, of, by, end]) => `${name} ${of} ${by}${end}\r\n`),
  fc.tuple(key, exptime, noreply).map(([of, until, end]) => `touch ${of} ${until}${end}\r\n`),
  fc
    .tuple(key, fc.constantFrom("", "", " 0", " 5", " noreply", " 0 noreply"))
    .map(([of, end]) => `delete ${of}${end}\r\n`),
  fc.constantFrom(
    ...["version\r\n", "verbosity 1\r\n", "verbosity\r\n", "flush_all x\r\n", "nonsense\r\n"],
    ...["\r\n", "GET a\r\n", "get\r\n", "set\r\n", "set a 0 0\r\n", "mn\r\n", "mn x\r\n"],
    ...["set a 0 0 -1\r\n", "set a 0 0 x\r\n", "incr a\r\n", "  get   a  b \r\n", "get a\n"],
    ...["mg\r\n", "md\r\n", "ma\r\n", "ms\r\n", "me\r\n", "ms a\r\n", "ms a x\r\n", "mx a\r\n"],
    ...["shutdown\r\n", "cas a 0 0 1\r\n", "set a 0 0 1 2 3\r\n", "delete a 1 2 3\r\n"],
  ),
);
const cas = fc.tuple(key, value, offset, noreply).map(
  ([of, data, at, end]): RandomRequest =>
    (casAt) =>
      `cas ${of} 3 0 ${data.length} ${casAt(at)}${end}\r\n${data}\r\n`,
);

const shown = fc.constantFrom("f", "s", "c", "k", "v", "t", "q", "b", "h", "Oxy", "O");
const getFlag = fc.oneof(shown, shown, fc.constantFrom("T0", "N0", "R30"));
const deleteFlag = fc.oneof(shown, fc.constantFrom("I", "T0"));
const deltaFlag = fc.oneof(
  shown,
  fc.constantFrom("D5", "J10", "N0", "MI", "MD", "M+", "M-", "Mi", "Md", "T0"),
);
const storeFlag = fc.oneof(
  shown,
  fc.constantFrom("F5", "T0", "T-1", "I", "ME", "MA", "MP", "MR", "MS"),
);

/** Flags of different names; at most one of them is wrong, because which of two is told of follows no rule. */
function flagList(flag: fc.Arbitrary<string>, wrong: readonly string[]): fc.Arbitrary<string> {
  const rights = fc.uniqueArray(flag, { maxLength: 5, selector: (text) => text.charAt(0) });
  const wrongs = fc.option(fc.constantFrom(...wrong), { freq: 8 });
  return fc.tuple(rights, wrongs).map(([list, bad]) => {
    // "b" makes most of the keys wrong.
    const others = list.filter((text) => bad === null || !`b${bad}`.includes(text.charAt(0)));
    return [...others, ...(bad === null ? [] : [bad])].map((text) => ` ${text}`).join("");
  });
}

const meta = fc.oneof(
  fc
    .tuple(key, flagList(getFlag, ["Tx", "N", "R", "z"]))
    .map(([of, list]) => `mg ${of}${list}\r\n`),
  fc.tuple(key, flagList(deleteFlag, ["Tx", "Cx", "z"])).map(([of, list]) => `md ${of}${list}\r\n`),
  fc
    .tuple(key, flagList(deltaFlag, ["Dx", "Nx", "MX", "z"]))
    .map(([of, list]) => `ma ${of}${list}\r\n`),
  fc
    .tuple(key, value, flagList(storeFlag, ["Fx", "F", "Tx", "MX", "M", "z"]))
    .map(([of, data, list]) => `ms ${of} ${data.length}${list}\r\n${data}\r\n`),
);
const metaCas = fc
  .tuple(fc.constantFrom("md", "ma", "ms"), key, offset, fc.constantFrom("", " I", " c", " q"))
  .map(([name, of, at, list]): RandomRequest => {
    const [length, data] = name === "ms" ? [" 1", "7\r\n"] : ["", ""];
    return (casAt) => `${name} ${of}${length} C${casAt(at)}${list}\r\n${data}`;
  });

const fixed = fc.oneof(storage, storage, simple, meta, meta).map(
  (text): RandomRequest =>
    () =>
      text,
);

export const randomTextRequest: fc.Arbitrary<RandomRequest> = fc.oneof(
  { weight: 8, arbitrary: fixed },
  { weight: 1, arbitrary: cas },
  { weight: 1, arbitrary: metaCas },
);
