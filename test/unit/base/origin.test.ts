import { expect, test } from "bun:test";
import { originOf } from "../../../src/base/origin.ts";

test("an IPv4 address is one client's, of IPv6 a network is", () => {
  const origins = {
    "10.0.0.1": "10.0.0.1",
    "::ffff:10.0.0.1": "10.0.0.1",
    "::1": "0:0:0:0::/64",
    "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
    "2001:db8:1:2::6": "2001:db8:1:2::/64",
    "2001:db8::6": "2001:db8:0:0::/64",
    "fe80::1%eth0": "fe80:0:0:0::/64",
    "2001:db8:1:2:3::": "2001:db8:1:2::/64",
  };
  for (const [address, origin] of Object.entries(origins)) expect(originOf(address)).toBe(origin);
});
