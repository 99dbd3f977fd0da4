import { expect, test } from "bun:test";
import { marked } from "../../../../src/admin/overview/marks.ts";

test("what changes the proxy is a mark, and what is said besides is none", () => {
  const markOf = (text: string): string | null =>
    marked({ number: 1, atMs: 1, level: "info", process: "p", text }).mark;
  expect(
    [
      "ready version=1 pid=2",
      "ready after an upgrade version=2",
      "reload done workers=2",
      "upgrade done workers=2",
      "died child=worker/0 pid=3",
      "server is ejected server=a",
      "server is in trouble server=a reason=x",
      "a lever was pulled lever=1",
      "a setting was changed option=p.timeout",
    ].map(markOf),
  ).toEqual("start upgrade reload upgrade death ejection ejection lever setting".split(" "));
  const others = ["server is ejected no more: all", "server is back server=a", "worker is ready"];
  expect(others.map(markOf)).toEqual([null, null, null]);
});
