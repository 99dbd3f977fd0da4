/**
 * Writes one value into the text of a file and leaves all else as it is, comments and layout included. With document.ts the only file
 * that knows the YAML library.
 *
 * What comes out is to be read again: where the file says the value in a way that this does not see through (an alias that other
 * places share, say), it comes to something else than what was meant.
 */
import { isMap, isScalar, type Pair, parseDocument, stringify, type YAMLMap } from "yaml";

type Node = { readonly range?: readonly [number, number, number] | null } | null;

/**
 * @param keys where the value stands: `["pools", "main", "timeout"]`
 * @param value as written alone, see `readValue`
 * @returns the new text; null: there is no place that it could be written to
 */
export function writeValue(text: string, keys: readonly string[], value: string): string | null {
  const document = parseDocument(text, {
    schema: "failsafe",
    uniqueKeys: false,
    logLevel: "error",
  });
  if (document.errors.length > 0 || !isMap(document.contents)) return null;
  return writeInto(text, document.contents as YAMLMap, keys, rendered(value));
}

function writeInto(
  text: string,
  map: YAMLMap,
  keys: readonly string[],
  value: string,
): string | null {
  const [key = "", ...rest] = keys;
  const pair = map.items.find((item) => isScalar(item.key) && item.key.value === key);
  if (pair === undefined) {
    const [group, ...options] = keys;
    // A group of options that the file does not have: one line.
    const line =
      options.length === 0 ? `${group}: ${value}` : `${group}: { ${options.join(": ")}: ${value} }`;
    return insert(text, map, line);
  }
  if (rest.length > 0) {
    return isMap(pair.value) ? writeInto(text, pair.value as YAMLMap, rest, value) : null;
  }
  return replace(text, pair, value);
}

function replace(text: string, { key, value: old }: Pair, value: string): string | null {
  const range = (old as Node)?.range;
  const isBlock = isScalar(old) && old.type?.startsWith("BLOCK") === true;
  if (isBlock || (isMap(old) && old.flow !== true)) return null;
  if (range == null || range[0] === range[1]) {
    // `key:` with nothing behind it.
    const end = (key as Node)?.range?.[1];
    const colon = end === undefined ? -1 : text.indexOf(":", end);
    return colon < 0 ? null : spliced(text, colon + 1, colon + 1, ` ${value}`);
  }
  return spliced(text, range[0], range[1], value);
}

/** As the last entry of the map. */
function insert(text: string, map: YAMLMap, entry: string): string | null {
  const { range } = map;
  const last = map.items.at(-1);
  const first = (map.items[0]?.key as Node)?.range;
  if (range == null || last === undefined || first == null) return null;
  const end = (last.value as Node)?.range?.[1] ?? (last.key as Node)?.range?.[1];
  if (end === undefined) return null;
  if (map.flow === true) return spliced(text, end, end, `, ${entry}`);
  const lineStart = text.lastIndexOf("\n", first[0] - 1) + 1;
  const indent = text.substring(lineStart, first[0]);
  if (/\S/.test(indent)) return null;
  const lineFeed = text.includes("\r\n") ? "\r\n" : "\n";
  // Behind what else is in the line, such as a comment.
  const isAtLine = end > 0 && text[end - 1] === "\n";
  if (isAtLine) return spliced(text, end, end, `${indent}${entry}${lineFeed}`);
  const newline = text.indexOf("\n", end);
  if (newline < 0) return `${text}${lineFeed}${indent}${entry}${lineFeed}`;
  return spliced(text, newline + 1, newline + 1, `${indent}${entry}${lineFeed}`);
}

/** With quotes where YAML needs them. */
function rendered(value: string): string {
  if (value.startsWith("[")) return value;
  return stringify(value, { schema: "failsafe", lineWidth: 0 }).trimEnd();
}

function spliced(text: string, start: number, end: number, by: string): string {
  return text.substring(0, start) + by + text.substring(end);
}
