/** What each protocol says of its commands' access: routes may send reads elsewhere than writes. */
import { expect, test } from "bun:test";
import { ACCESS } from "../../../src/api/request-facts.ts";
import { accessOf, OPCODE } from "../../../src/protocols/memcache/codec/binary/opcode.ts";
import { findTextCommand } from "../../../src/protocols/memcache/codec/text/command.ts";
import { CommandTable } from "../../../src/protocols/redis/commands/command-table.ts";

const NAMES = Object.keys(ACCESS) as (keyof typeof ACCESS)[];

test("Redis: by the flags that servers give; scripts may write unless they say that they do not", () => {
  const table = new CommandTable();
  const access = (name: string): string =>
    NAMES[[...table.commands].find((command) => command.name === name)!.access]!;
  const reads = "GET MGET HGETALL ZRANGE SORT_RO EVAL_RO FCALL_RO XREAD GEORADIUS_RO STRLEN SCAN";
  for (const name of reads.split(" ")) expect([name, access(name)]).toEqual([name, "read"]);
  const writes = "SET DEL GETDEL GETEX SORT EVAL EVALSHA FCALL BLPOP XREADGROUP EXPIRE GEORADIUS";
  for (const name of writes.split(" ")) expect([name, access(name)]).toEqual([name, "write"]);
  expect([access("CONFIG|SET"), access("SHUTDOWN")]).toEqual(["admin", "admin"]);
});

test("Memcached: what touches an item is no read, because a copy of it would not be touched", () => {
  const access = (name: string): string => {
    const bytes = Buffer.from(name);
    return NAMES[findTextCommand(bytes, 0, bytes.length).access]!;
  };
  for (const name of ["get", "gets", "me"]) expect([name, access(name)]).toEqual([name, "read"]);
  for (const name of ["set", "cas", "delete", "incr", "gat", "gats", "touch", "mg", "ms"]) {
    expect([name, access(name)]).toEqual([name, "write"]);
  }
  const { get, getQuiet, getWithKey, set, getAndTouch } = OPCODE;
  expect([get, getQuiet, getWithKey].map(accessOf)).toEqual([0, 0, 0]);
  expect([set, getAndTouch].map(accessOf)).toEqual([1, 1]);
});
