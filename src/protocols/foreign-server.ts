/** Servers that do not speak their pool's protocol, known by bytes that cannot be a reply in it. */
import { type Foreign, TLS_HANDSHAKE, TLS_MAJOR_VERSION } from "./foreign.ts";

const TLS_ALERT = 0x15;

/** The longest beginning that tells anything. */
const LOOKED_AT_BYTES = 32;

/** What no server begins a reply with that speaks another of these protocols. */
const BEGINNINGS: readonly (readonly [Foreign, RegExp])[] = [
  ["redis", /^(?:-[A-Z]+ |\+[A-Z]|[$*:]-?\d+\r)/],
  ["memcache", /^(?:(?:CLIENT_|SERVER_)?ERROR\b|VERSION |VALUE |STORED\r|END\r)/],
  ["http", /^HTTP\/\d/],
];

/** What the sender of bytes[start, end) speaks, where a reply was expected to begin; null: it cannot be told. */
export function foreignServer(bytes: Buffer, start: number, end: number): Foreign | null {
  const first = bytes[start];
  const isTls = first === TLS_ALERT || first === TLS_HANDSHAKE;
  if (isTls && end - start > 1 && bytes[start + 1] === TLS_MAJOR_VERSION) return "tls";
  const beginning = bytes.toString("latin1", start, Math.min(start + LOOKED_AT_BYTES, end));
  return BEGINNINGS.find(([, pattern]) => pattern.test(beginning))?.[0] ?? null;
}

const ADVICE: Readonly<Record<Foreign, string>> = {
  redis: 'it looks like Redis: is "redis: true" (or "protocol: redis") missing in the pool?',
  memcache:
    'it looks like Memcached: should the pool have "redis: false" (or "protocol: memcache")?',
  tls: "it speaks TLS, and the proxy speaks to servers without",
  http: "it speaks HTTP: are its address and port right?",
};

/** What a server of a pool that speaks `spoken` seems to speak instead, and what to change; null: it cannot be told. */
export function serverLanguage(
  spoken: Foreign,
  bytes: Buffer,
  start: number,
  end: number,
): string | null {
  const found = foreignServer(bytes, start, end);
  return found === null || found === spoken ? null : ADVICE[found];
}
