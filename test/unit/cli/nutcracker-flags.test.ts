import { expect, test } from "bun:test";
import fc from "fast-check";
import { normaliseFlags } from "../../../src/cli/nutcracker-flags.ts";
import { RUN_ARGS } from "../../../src/cli/run-flags.ts";

function normalise(line: string): readonly string[] | string {
  const result = normaliseFlags(line === "" ? [] : line.split(" "), RUN_ARGS);
  return "problem" in result ? result.problem : result.args;
}

test.each<[string, readonly string[]]>([
  ["", []],
  ["-c conf.yml", ["--config=conf.yml"]],
  ["-cconf.yml", ["--config=conf.yml"]],
  ["--conf-file conf.yml", ["--config=conf.yml"]],
  ["--conf-file=conf.yml", ["--config=conf.yml"]],
  ["--config=a=b", ["--config=a=b"]],
  ["--conf x", ["--config=x"]],
  ["-dv 6", ["--daemonize", "--verbose=6"]],
  ["-dv6", ["--daemonize", "--verbose=6"]],
  ["-tdDV", ["--test-conf", "--daemonize", "--describe-stats", "--version"]],
  [
    "-d -v 11 -o log -c f -s 22222 -a 0.0.0.0 -i 30000 -p pid -m 512",
    [
      "--daemonize",
      "--verbose=11",
      "--output=log",
      "--config=f",
      "--stats-port=22222",
      "--stats-addr=0.0.0.0",
      "--stats-interval=30000",
      "--pid-file=pid",
      "--mbuf-size=512",
    ],
  ],
  ["--verb 3", ["--verbose=3"]],
  ["--no-reuseport", ["--no-reuseport"]],
  ["--reuse", ["--reuseport"]],
  // As in getopt: what follows a flag that takes a value is the value, whatever it looks like.
  ["-o -d", ["--output=-d"]],
  ["-c a -c b", ["--config=a", "--config=b"]],
])("%s", (line, expected) => {
  expect(normalise(line)).toEqual(expected);
});

test.each<[string, string]>([
  ["-c", "-c needs a value"],
  ["-dc", "-c needs a value"],
  ["--output=", "--output needs a value"],
  ["-x", 'unknown flag "-x"'],
  ["-dx", 'unknown flag "-x" in "-dx"'],
  ["--wrokers 2", 'unknown flag "--wrokers"; did you mean "--workers"?'],
  ["--qqqqqqqqqqqq", 'unknown flag "--qqqqqqqqqqqq"'],
  ["--stats 1", '"--stats" may mean --stats-port, --stats-addr, --stats-interval'],
  ["--daemonize=yes", '--daemonize takes no value, but "yes" was given'],
  ["--no-output", 'unknown flag "--no-output"'],
])("%s is refused", (line, problem) => {
  expect(normalise(line)).toStartWith(problem);
});

test("words that are no flags come last, in order, and may begin with a dash behind --", () => {
  const result = normaliseFlags(["a", "-d", "b", "--", "-k", "--x"], RUN_ARGS);
  expect(result).toEqual({
    args: ["--daemonize", "--", "a", "b", "-k", "--x"],
    positionals: ["a", "b", "-k", "--x"],
  });
});

test("no command line throws, and what is accepted is accepted again", () => {
  const word = fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom("-", "--", "-d", "-c", "-cx", "--config", "--config=x", "--no-", "--=", "-dv"),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
      const first = normaliseFlags(argv, RUN_ARGS);
      if ("problem" in first) {
        expect(first.problem).not.toBe("");
      } else {
        expect(normaliseFlags(first.args, RUN_ARGS)).toEqual(first);
      }
    }),
    { numRuns: 500 },
  );
});
