/** What a RedirectLink sends again: the first request that waited goes alone, and how it fares tells of the server. */
import { expect, test } from "bun:test";
import { KIND } from "../../../../../src/api/protocol.ts";
import {
  FIRST_KIND,
  type Link,
  type ReplySink,
  type Upstream,
} from "../../../../../src/api/upstream.ts";
import { RedirectLink } from "../../../../../src/protocols/redis/redirect/redirect-link.ts";
import type { Redirector } from "../../../../../src/protocols/redis/redirect/redirector.ts";

const IGNORED: ReplySink = { takesRuns: false, onReplies() {}, onFailure() {} };

test("a probe is answered when its own reply comes, not that to what was loaded before it", () => {
  const sent: string[] = [];
  const told: string[] = [];
  let recovered = 0;
  const inner: Link = {
    ...{ refusal: null, isFull: false },
    send: (bytes, start, end) => void sent.push(bytes.toString("latin1", start, end)),
    begin: () => {
      throw new Error("nothing is composed");
    },
    commit() {},
    waitForRoom() {},
  };
  const load = Buffer.from("load");
  const redirector = {
    ...{ isKnown: true, isFollowing: true, host: { add() {} } },
    ...{ suspect() {}, unpark() {}, onRecovered: () => void recovered++ },
    prepare: (_place: unknown, link: Link) => link.send(load, 0, load.length, IGNORED, 0, 1),
  } as unknown as Redirector;
  const upstream = { name: "one", isReplica: false } as Upstream;
  const link = new RedirectLink(redirector, inner, upstream, FIRST_KIND, 0);
  const sink: ReplySink = {
    takesRuns: false,
    onReplies: (token, _count, bytes, start, end) =>
      void told.push(`${token} ${bytes.toString("latin1", start, end)}`),
    onFailure() {},
  };
  const bytes = Buffer.from("call");
  link.parked.add({
    ...{ bytes, start: 0, end: bytes.length, sink, token: 7 },
    ...{ tries: 0, sinceMs: 0, order: 1, why: Buffer.from("-LOADING\r\n") },
  });
  link.sendProbe();
  expect(sent).toEqual(["load", "call"]);
  const reply = (text: string): void =>
    link.onReplies(0, 1, Buffer.from(text), 0, text.length, KIND.value);
  reply("+loaded");
  expect([recovered, link.isProbing, told]).toEqual([0, true, []]);
  reply("+done");
  expect([recovered, link.isProbing, told]).toEqual([1, false, ["7 +done"]]);
});
