import { describe, expect, test } from "bun:test";
import { judge, parseJunit } from "./junit.mjs";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="5">
  <testsuite name="test/a.test.ts" file="test/a.test.ts" tests="4">
    <testsuite name="group" file="test/a.test.ts" line="2">
      <testcase name="one" classname="group" time="0.1" file="test/a.test.ts" line="3" assertions="1" />
      <testcase name="a &lt;&amp;&quot; b" classname="group" file="test/a.test.ts" line="4">
        <failure type="AssertionError" message="expected&#10;">text</failure>
      </testcase>
      <testcase name="three (skipped: no musl here)" classname="group" file="test/a.test.ts" line="5">
        <skipped />
      </testcase>
    </testsuite>
  </testsuite>
  <testsuite name="test/b.test.ts" file="test/b.test.ts">
    <testcase name="two" classname="" file="test/b.test.ts" line="3" />
  </testsuite>
</testsuites>`;

describe("parseJunit", () => {
  test("reads file, name and outcome of every case", () => {
    expect(parseJunit(REPORT)).toEqual([
      { file: "test/a.test.ts", name: "group > one", outcome: "passed" },
      { file: "test/a.test.ts", name: 'group > a <&" b', outcome: "failed" },
      {
        file: "test/a.test.ts",
        name: "group > three (skipped: no musl here)",
        outcome: "skipped",
      },
      { file: "test/b.test.ts", name: "two", outcome: "passed" },
    ]);
  });
});

describe("judge", () => {
  const passed = { file: "test/a.test.ts", name: "one", outcome: "passed" };
  const failed = { file: "test/a.test.ts", name: "two", outcome: "failed" };

  test("counts what the runner counted", () => {
    const verdict = judge(parseJunit(REPORT), ["test/a.test.ts", "test/b.test.ts"], 1);
    expect([verdict.passed, verdict.failed, verdict.skipped.length]).toEqual([2, 1, 1]);
  });

  test("a file without results is a failure, whatever the exit code says", () => {
    expect(judge([passed], ["test/a.test.ts", "test/gone.test.ts"], 0)).toMatchObject({
      passed: 1,
      failed: 1,
    });
  });

  test("no files at all is a failure", () => {
    expect(judge([], [], 0)).toMatchObject({ passed: 0, failed: 1 });
  });

  test("a runner that fails although no test did is a failure", () => {
    expect(judge([passed], ["test/a.test.ts"], 137)).toMatchObject({ passed: 1, failed: 1 });
  });

  test("a failed test is not counted twice because the runner failed with it", () => {
    expect(judge([passed, failed], ["test/a.test.ts"], 1)).toMatchObject({ passed: 1, failed: 1 });
  });

  test("a skipped test must say why", () => {
    const quiet = { file: "test/a.test.ts", name: "three", outcome: "skipped" };
    expect(judge([passed, quiet], ["test/a.test.ts"], 0)).toMatchObject({ passed: 1, failed: 1 });
  });
});
