/** The servers of a pool follow its topology: who stays keeps its server, who leaves is retired once, no number is used twice. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Member } from "../../../src/api/topology.ts";
import { ServerSet } from "../../../src/server/server-set.ts";
import { memberOf } from "../../../src/topology/static.ts";

class FakeServer {
  readonly id: number;
  readonly member: string;
  retired = 0;
  isClosed = false;

  constructor(member: Member, id: number) {
    this.id = id;
    this.member = member.id;
  }

  retire(): void {
    this.retired++;
  }

  close(): void {
    this.isClosed = true;
  }
}

function member(number: number): Member {
  const address = { kind: "tcp", host: "10.0.0.1", port: 1000 + number } as const;
  return memberOf({ name: `s${number}`, address, weight: 1 });
}

test("whatever comes and goes", () => {
  const lists = fc.array(fc.uniqueArray(fc.nat(9), { maxLength: 8 }), { maxLength: 12 });
  fc.assert(
    fc.property(lists, (topologies) => {
      const made: FakeServer[] = [];
      const set = new ServerSet((each, id) => {
        const server = new FakeServer(each, id);
        made.push(server);
        return server;
      });
      for (const numbers of topologies) {
        const before = set.all;
        const { added, gone } = set.update(numbers.map(member));
        expect(set.all.map((server) => server.member)).toEqual(numbers.map((n) => member(n).id));
        const stayed = before.filter((server) => set.all.includes(server));
        expect([...stayed, ...gone].length).toBe(before.length);
        expect([...stayed, ...added].length).toBe(set.all.length);
        expect(gone.every(({ retired }) => retired === 1)).toBe(true);
        expect(set.all.every(({ retired }) => retired === 0)).toBe(true);
      }
      expect(made.map(({ id }) => id)).toEqual(made.map((_, index) => index));
      set.close();
      expect(made.every(({ isClosed }) => isClosed)).toBe(true);
    }),
  );
});

test("the same server at another address is another member", () => {
  const { server } = member(1);
  const moved = memberOf({ ...server, address: { kind: "tcp", host: "10.0.0.2", port: 1001 } });
  expect(moved.id).not.toBe(member(1).id);
  expect(memberOf({ ...server, weight: 7 }).id).toBe(member(1).id);
});
