/** Which client reads from which server. */
import { expect, test } from "bun:test";
import type { Failure, Link, Upstream } from "../../../../../src/api/upstream.ts";
import { FIRST_KIND } from "../../../../../src/api/upstream.ts";
import { Choice } from "../../../../../src/protocols/redis/replicas/choice.ts";

const LOST: Failure = { kind: "closed", wasSent: false, text: "lost" };
const CLIENTS = Array.from({ length: 600 }, (_, i) => i + 1);
const NAMES = ["10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3:6379", "10.0.0.4:6379"];

interface Place {
  readonly name: string;
  refusal: Failure | null;
}

function placesOf(names: readonly string[]): Place[] {
  return names.map((name) => ({ name, refusal: null }));
}

/** By client, the name of what it reads from; "": nothing can be reached. */
function readsOf(places: readonly Place[], isOrdered = false): string[] {
  const upstreams = places.map(
    (place) =>
      ({ name: place.name, connection: () => place as unknown as Link }) as Partial<Upstream>,
  );
  const choice = new Choice(upstreams as Upstream[], isOrdered);
  return CLIENTS.map((client) => {
    const link = choice.link(client, 0, FIRST_KIND);
    return link === null ? "" : (link as unknown as Place).name;
  });
}

function moved(before: readonly string[], after: readonly string[]): number[] {
  return CLIENTS.map((_, i) => i).filter((i) => before[i] !== after[i]);
}

test("clients are spread over all servers", () => {
  const reads = readsOf(placesOf(NAMES));
  for (const name of NAMES) {
    const share = reads.filter((each) => each === name).length;
    expect(share).toBeGreaterThan(100);
    expect(share).toBeLessThan(200);
  }
});

test("when one or two servers may not be read, or cannot be reached, only their clients move, and to all others", () => {
  const before = readsOf(placesOf(NAMES));
  for (const lost of NAMES.flatMap((one) => NAMES.map((other) => [one, other]))) {
    const left = NAMES.filter((name) => !lost.includes(name));
    const places = placesOf(NAMES);
    for (const place of places) if (lost.includes(place.name)) place.refusal = LOST;
    for (const after of [readsOf(placesOf(left)), readsOf(places)]) {
      const going = moved(before, after);
      expect(going.every((i) => lost.includes(before[i]!))).toBe(true);
      expect(new Set(going.map((i) => after[i]))).toEqual(new Set(left));
    }
  }
});

test("when a server is added, clients move only to it", () => {
  const before = readsOf(placesOf(NAMES.slice(0, 3)));
  const after = readsOf(placesOf(NAMES));
  const going = moved(before, after);
  expect(going.length).toBeGreaterThan(0);
  expect(new Set(going.map((i) => after[i]))).toEqual(new Set([NAMES[3]!]));
});

test("the order in which servers are listed says nothing", () => {
  expect(readsOf(placesOf(NAMES.toReversed()))).toEqual(readsOf(placesOf(NAMES)));
});

test("with an order, all read from the first that can be reached", () => {
  const places = placesOf(NAMES);
  expect(new Set(readsOf(places, true))).toEqual(new Set([NAMES[0]!]));
  places[0]!.refusal = LOST;
  expect(new Set(readsOf(places, true))).toEqual(new Set([NAMES[1]!]));
  for (const place of places) place.refusal = LOST;
  expect(new Set(readsOf(places, true))).toEqual(new Set([""]));
  expect(new Set(readsOf(places))).toEqual(new Set([""]));
});
