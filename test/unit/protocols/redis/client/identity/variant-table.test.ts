import { describe, expect, test } from "bun:test";
import { connectionKind, FIRST_KIND, NO_KIND } from "../../../../../../src/api/upstream.ts";
import { VARIANT_IDLE_MS, VARIANTS_MAX } from "../../../../../../src/base/limits.ts";
import type { Variant } from "../../../../../../src/protocols/redis/client/identity/variant.ts";
import { VariantTable } from "../../../../../../src/protocols/redis/client/identity/variant-table.ts";

const ORIGIN = "10.0.0.1";

const OWN: Variant = { version: 2, database: 0, user: null, password: null };

function handshake(table: VariantTable, number: number): string {
  return table.protocols[number]!.handshake.toString("latin1").replace(/\r\n/g, " ");
}

/** Sweeps twice: the first time tells since when a number is unused. */
function sweepLater(table: VariantTable, forget: (number: number) => boolean = () => true): void {
  table.sweep(1000, forget);
  table.sweep(1001 + VARIANT_IDLE_MS, forget);
}

describe("VariantTable", () => {
  test("gives the same number to the same variant, and another to any other", () => {
    const table = new VariantTable(null, 0);
    const variants: Variant[] = [
      OWN,
      { ...OWN, version: 3 },
      { ...OWN, database: 1 },
      { ...OWN, password: "p" },
      { ...OWN, user: "u", password: "p" },
      { ...OWN, user: "u", password: "q" },
      { ...OWN, user: 'u","p', password: "" },
    ];
    const numbers = variants.map((variant) => table.hold(variant, ORIGIN));
    expect(new Set(numbers).size).toBe(variants.length);
    expect(variants.map((variant) => table.hold({ ...variant }, ORIGIN))).toEqual(numbers);
  });

  test("a connection begins with AUTH, HELLO and SELECT as the variant needs", () => {
    const table = new VariantTable("secret", 0);
    expect(handshake(table, table.hold(OWN, ORIGIN))).toBe("*2 $4 AUTH $6 secret ");
    expect(handshake(table, table.hold({ ...OWN, version: 3, database: 12 }, ORIGIN))).toBe(
      "*2 $4 AUTH $6 secret *2 $5 HELLO $1 3 *2 $6 SELECT $2 12 ",
    );
    const user = { ...OWN, user: "bob\xff", password: "\xe9" };
    expect(handshake(table, table.hold(user, ORIGIN))).toBe("*3 $4 AUTH $4 bob\xff $1 \xe9 ");
    const nobody = { ...OWN, password: "p" };
    expect(handshake(table, table.hold(nobody, ORIGIN))).toBe("*2 $4 AUTH $1 p ");
  });

  test("a fixed database is everybody's", () => {
    const table = new VariantTable(null, 7);
    expect(handshake(table, table.hold(OWN, ORIGIN))).toBe("*1 $4 PING *2 $6 SELECT $1 7 ");
  });

  test("a number that nobody holds is given out again, but not while it may be missed", () => {
    const table = new VariantTable(null, 0);
    const first = { ...OWN, database: 1 };
    const number = table.hold(first, ORIGIN);
    const before = table.protocols[number];
    table.hold(first, ORIGIN);
    table.prove(number);
    table.release(number);
    sweepLater(table);
    expect(table.isProven(number)).toBe(true);
    table.release(number);
    table.sweep(5000, () => true);
    table.sweep(5000 + VARIANT_IDLE_MS / 2, () => true);
    expect(table.isProven(table.hold(first, ORIGIN))).toBe(true);
    table.release(number);
    sweepLater(table);
    expect(table.hold({ ...OWN, database: 2 }, ORIGIN)).toBe(number);
    expect(table.protocols[number]).not.toBe(before);
    expect(table.isProven(number)).toBe(false);
    expect(table.hold(first, ORIGIN)).not.toBe(number);
  });

  test("what no server agreed to is forgotten at once, what is busy later", () => {
    const table = new VariantTable(null, 0);
    const number = table.hold({ ...OWN, database: 99 }, ORIGIN);
    table.release(number);
    table.sweep(1, () => false);
    expect(table.hold({ ...OWN, database: 98 }, ORIGIN)).not.toBe(number);
    table.sweep(2, () => true);
    expect(table.hold({ ...OWN, database: 97 }, ORIGIN)).toBe(number);
  });

  test("there are not more than so many", () => {
    const table = new VariantTable(null, 0);
    let database = 1;
    // Each of a client elsewhere: one alone gets its share.
    while (table.hold({ ...OWN, database }, `client ${database}`) >= 0) database++;
    expect(table.protocols.length).toBe(VARIANTS_MAX);
    expect(table.hold({ ...OWN, database: 1 }, ORIGIN)).toBeGreaterThan(0);
    expect(table.hold(OWN, ORIGIN)).toBe(FIRST_KIND);
  });

  test("one address does not get them all, but what is in use already, and what it had in another process", () => {
    const table = new VariantTable(null, 0);
    let database = 1;
    while (table.hold({ ...OWN, database }, ORIGIN) >= 0) database++;
    expect(database).toBeLessThan(0.76 * VARIANTS_MAX);
    const other = table.hold({ ...OWN, database }, "10.0.0.2");
    expect(other).toBeGreaterThan(0);
    expect(table.hold({ ...OWN, database }, ORIGIN)).toBe(other);
    expect(table.keep({ ...OWN, database: database + 1 }, ORIGIN)).toBeGreaterThan(0);
    // What is freed is nobody's any more.
    for (const number of table.protocols.keys())
      if (number >= 3) table.release(connectionKind(number));
    table.sweep(0, () => true);
    expect(table.hold({ ...OWN, database: 99_999 }, ORIGIN)).toBeGreaterThan(0);
  });

  test("without descriptors there are no more kinds", () => {
    let hasRoom = true;
    const table = new VariantTable(null, 0, () => hasRoom);
    const number = table.hold({ ...OWN, database: 1 }, ORIGIN);
    hasRoom = false;
    expect(table.hold({ ...OWN, database: 2 }, ORIGIN)).toBe(NO_KIND);
    expect(table.hold({ ...OWN, database: 1 }, ORIGIN)).toBe(number);
  });
});
