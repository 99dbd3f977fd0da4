import { describe, expect, test } from "bun:test";
import {
  elementsOf,
  mergeReplies,
} from "../../../../../src/protocols/redis/codec/merge-replies.ts";
import type { Merge } from "../../../../../src/protocols/redis/commands/command.ts";

function merged(merge: Merge, ...replies: readonly string[]): string | undefined {
  return mergeReplies(
    merge,
    replies.map((reply) => Buffer.from(reply, "latin1")),
  )?.toString("latin1");
}

describe("concat", () => {
  test("arrays become one, in the order of the servers", () => {
    expect(merged("concat", "*1\r\n$1\r\na\r\n", "*0\r\n", "*2\r\n$1\r\nb\r\n:1\r\n")).toBe(
      "*3\r\n$1\r\na\r\n$1\r\nb\r\n:1\r\n",
    );
  });

  test("equal arrays are different servers' all the same", () => {
    expect(merged("concat", "*1\r\n:1\r\n", "*1\r\n:1\r\n")).toBe("*2\r\n:1\r\n:1\r\n");
    expect(merged("concat", "*0\r\n", "*0\r\n")).toBe("*0\r\n");
  });

  test("sets and maps of RESP3 stay what they are", () => {
    expect(merged("concat", "~1\r\n+a\r\n", "~1\r\n+b\r\n")).toBe("~2\r\n+a\r\n+b\r\n");
    expect(merged("concat", "%1\r\n+a\r\n:1\r\n", "%1\r\n+b\r\n:2\r\n")).toBe(
      "%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n",
    );
  });

  test("what is no array passes if all say the same", () => {
    expect(merged("concat", "+OK\r\n", "+OK\r\n")).toBe("+OK\r\n");
    expect(merged("concat", "*-1\r\n", "*-1\r\n")).toBe("*-1\r\n");
    expect(merged("concat", "*-1\r\n", "*1\r\n:1\r\n")).toBe("*1\r\n:1\r\n");
  });

  test("what does not fit together is not merged", () => {
    expect(merged("concat", "*1\r\n:1\r\n", "~1\r\n:1\r\n")).toBeUndefined();
    expect(merged("concat", "+OK\r\n", "+KO\r\n")).toBeUndefined();
    expect(merged("concat", "*0\r\n", ":1\r\n")).toBeUndefined();
  });
});

describe("integers", () => {
  test.each<[Merge, string]>([
    ["sum", ":6\r\n"],
    ["min", ":-1\r\n"],
    ["max", ":4\r\n"],
    ["and", ":1\r\n"],
    ["or", ":1\r\n"],
  ])("%s", (merge, expected) => {
    expect(merged(merge, ":3\r\n", ":-1\r\n", ":4\r\n")).toBe(expected);
  });

  test("arrays are merged place by place", () => {
    expect(merged("and", "*3\r\n:1\r\n:0\r\n:1\r\n", "*3\r\n:1\r\n:1\r\n:0\r\n")).toBe(
      "*3\r\n:1\r\n:0\r\n:0\r\n",
    );
    expect(merged("or", "*3\r\n:1\r\n:0\r\n:0\r\n", "*3\r\n:1\r\n:1\r\n:0\r\n")).toBe(
      "*3\r\n:1\r\n:1\r\n:0\r\n",
    );
    expect(merged("min", "*2\r\n:1\r\n:5\r\n", "*2\r\n:0\r\n:7\r\n")).toBe("*2\r\n:0\r\n:5\r\n");
  });

  test("sums beyond what a float can tell apart", () => {
    expect(merged("sum", ":9007199254740993\r\n", ":1\r\n")).toBe(":9007199254740994\r\n");
  });

  test("what does not fit together is not merged", () => {
    expect(merged("sum", ":1\r\n", "+OK\r\n")).toBeUndefined();
    expect(merged("sum", "+OK\r\n", ":1\r\n")).toBeUndefined();
    expect(merged("sum", ":1\r\n", "*1\r\n:1\r\n")).toBeUndefined();
    expect(merged("and", "*1\r\n:1\r\n", "*2\r\n:1\r\n:1\r\n")).toBeUndefined();
    expect(merged("and", "*1\r\n$1\r\n1\r\n", "*1\r\n:1\r\n")).toBeUndefined();
  });
});

test("one_ok takes the first that is no error, all_ok the first", () => {
  expect(merged("one_ok", "-NOTBUSY\r\n", "+OK\r\n")).toBe("+OK\r\n");
  expect(merged("one_ok", "-NOTBUSY 1\r\n", "-NOTBUSY 2\r\n")).toBe("-NOTBUSY 1\r\n");
  expect(merged("all_ok", "$3\r\nsha\r\n", "$3\r\nsha\r\n")).toBe("$3\r\nsha\r\n");
});

test("elements of an array, nested ones whole", () => {
  const elements = elementsOf(Buffer.from("*3\r\n*2\r\n:1\r\n+a\r\n$2\r\nbc\r\n_\r\n"));
  expect(elements?.map(String)).toEqual(["*2\r\n:1\r\n+a\r\n", "$2\r\nbc\r\n", "_\r\n"]);
  expect(elementsOf(Buffer.from("*-1\r\n"))).toEqual([]);
  expect(elementsOf(Buffer.from("%1\r\n:1\r\n:1\r\n"))).toBeNull();
  expect(elementsOf(Buffer.from("*2\r\n:1\r\n"))).toBeNull();
});
