import { expect, test } from "bun:test";
import { CENSUS_BYTES_MAX } from "../../../../../../src/base/limits.ts";
import { Turn } from "../../../../../../src/base/turn.ts";
import {
  Census,
  type CensusQuestion,
  type Reach,
} from "../../../../../../src/protocols/redis/client/pubsub/census.ts";
import { FakePeers } from "../../../../../support/fake-peers.ts";

/** Workers that answer with their number and the length of the name. */
function censusesOf(workers: number): {
  censuses: Census[];
  asked: CensusQuestion[][];
  peers: FakePeers;
} {
  const peers = new FakePeers();
  const asked: CensusQuestion[][] = [];
  const censuses = Array.from({ length: workers }, (_, number) => {
    const { bus } = peers.add();
    bus.open();
    const questions: CensusQuestion[] = [];
    asked.push(questions);
    return new Census(new Turn(), bus, (question) => {
      questions.push(question);
      return { copies: number, clients: question[1].length };
    });
  });
  return { censuses, asked, peers };
}

test("the answers of all others are added up, question by question", async () => {
  const { censuses, asked } = censusesOf(3);
  const reaches = ["a", "bcd"].map((name) => {
    const { promise, resolve } = Promise.withResolvers<Reach>();
    censuses[0]!.ask(["channel", name, "s0"], resolve);
    return promise;
  });
  expect(await Promise.all(reaches)).toEqual([
    { copies: 3, clients: 2 },
    { copies: 3, clients: 6 },
  ]);
  expect(asked[0]).toEqual([]);
  expect(asked[1]).toEqual([
    ["channel", "a", "s0"],
    ["channel", "bcd", "s0"],
  ]);
});

test("what is too long for one message goes in several, or not at all", async () => {
  const { censuses, asked } = censusesOf(2);
  const lengths = [1, CENSUS_BYTES_MAX - 10, 20, CENSUS_BYTES_MAX + 1, 3];
  const reaches = lengths.map((length) => {
    const { promise, resolve } = Promise.withResolvers<Reach>();
    censuses[1]!.ask(["shard", "x".repeat(length), null], resolve);
    return promise;
  });
  const clients = (await Promise.all(reaches)).map((reach) => reach.clients);
  expect(clients).toEqual([1, CENSUS_BYTES_MAX - 10, 20, 0, 3]);
  expect(asked[0]!.map(([, name]) => name.length)).toEqual([1, CENSUS_BYTES_MAX - 10, 20, 3]);
});
