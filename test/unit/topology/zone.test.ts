import { expect, test } from "bun:test";
import { ownZone, Zone } from "../../../src/topology/zone.ts";

const ZONES = {
  a: ["10.0.1.0/24", "10.0.9.9"],
  b: ["10.0.2.0/24", "*.b.internal", "2001:db8::/32"],
};

test("a zone has the addresses, networks and host names that it lists, whatever the port", () => {
  const zone = new Zone("b", ZONES.b);
  const inside = ["10.0.2.7:6379", "[2001:db8::1]:6379", "cache1.b.internal:1", "X.B.Internal:1"];
  const outside = [
    "10.0.1.7:6379",
    "[2001:db9::1]:6379",
    "b.internal:1",
    "x.b.internal.org:1",
    "xbxinternal:1",
    "/run/redis.sock",
  ];
  expect(inside.filter((address) => !zone.has(address))).toEqual([]);
  expect(outside.filter((address) => zone.has(address))).toEqual([]);
});

test("the proxy is in the zone that is said, else in the first that has an address of its machine", () => {
  expect(ownZone({ zones: ZONES, zone: "b" }, ["10.0.1.1"])?.name).toBe("b");
  expect(ownZone({ zones: ZONES, zone: "auto" }, ["192.168.0.1", "10.0.9.9"])?.name).toBe("a");
  expect(ownZone({ zones: ZONES }, ["2001:db8::5"])?.name).toBe("b");
  expect(ownZone({ zones: ZONES, zone: "auto" }, ["192.168.0.1"])).toBeNull();
  expect(ownZone({ zones: ZONES, zone: "c" }, ["10.0.1.1"])).toBeNull();
  expect(ownZone({}, ["10.0.1.1"])).toBeNull();
});
