/** The keys that the floods of bench/load/flood.ts ask for. */
import {
  FLOOD_KEYS,
  HUGE_BYTES,
  HUGE_KEY,
  KEYS,
  MEMBERS,
  MEMBERS_KEY,
  VALUE,
} from "./load/flood.ts";
import { encode, exchange } from "./wire.ts";

const FILL_MS = 60_000;

/** Puts them into the server, which is emptied before. */
export async function fillForFloods(port: number): Promise<void> {
  const script = `
    redis.call('FLUSHALL')
    for i = 0, ${KEYS - 1} do redis.call('SET', '${FLOOD_KEYS}' .. i, '${VALUE}') end
    for i = 0, ${MEMBERS - 1} do redis.call('SADD', '${MEMBERS_KEY}', 'member:' .. i) end
    redis.call('SET', '${HUGE_KEY}', string.rep('h', ${HUGE_BYTES}))
    return redis.status_reply('OK')`;
  const reply = await exchange(port, encode("EVAL", script, "0"), 5, FILL_MS);
  if (reply !== "+OK\r\n") throw new Error(`filling the server failed: ${reply.trim()}`);
}
