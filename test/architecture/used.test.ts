/** What is promised outside has somebody inside who keeps it: options that are read, counters that are written. */
import { expect, test } from "bun:test";
import { POOL_COUNTERS, SERVER_COUNTERS } from "../../src/api/stats.ts";
import { RUN_ARGS } from "../../src/cli/run-flags.ts";
import { PROTOCOLS } from "../../src/protocols/registry.ts";
import { loadConfig } from "../support/load-config.ts";
import { readSources } from "./source-files.ts";

const sources = readSources("src");

/** The code of the files that a pattern matches, as one text. */
function codeOf(paths: RegExp): string {
  return sources
    .filter(({ path }) => paths.test(path))
    .map(({ code }) => code)
    .join("\n");
}

/** The processes that serve, without those who only show a configuration or say what has changed in it. */
const serving = codeOf(
  /^src\/(acceptor|admin|metrics|os|engine|client|protocols|route|server|worker|supervisor)\/(?!describe-changes)/,
);
const counting = codeOf(/^src\/(client|protocols|server|worker)\//);

test("every field of a configuration is read by those who serve", () => {
  const { config } = loadConfig("pools:\n  p: { listen: h:1, servers: [h:2:1] }\n", "F");
  if (config === null) throw new Error("the file is right");
  const { log, stats, pools, form: _, ...top } = config;
  const fields = [top, ...pools].flatMap((part) => Object.keys(part));
  expect(fields.filter((field) => !new RegExp(`\\b${field}\\b`).test(serving))).toEqual([]);
  for (const [group, part] of Object.entries({ log, stats })) {
    const isRead = (field: string): boolean =>
      new RegExp(`\\b${group}\\.${field}\\b|\\b${field}\\b[^;\n]*\\b${group};`).test(serving);
    // The logger is given the whole group.
    const used = group === "log" ? ["level", "file"] : [];
    expect(Object.keys(part).filter((field) => !used.includes(field) && !isRead(field))).toEqual(
      [],
    );
  }
});

test("every counter is written", () => {
  const isWritten = (kind: string, name: string): boolean =>
    new RegExp(`\\b${kind}\\.${name}\\b|\\b(count|add)\\([^;]*"${name}"`).test(counting);
  expect(POOL_COUNTERS.filter((name) => !isWritten("POOL", name))).toEqual([]);
  expect(SERVER_COUNTERS.filter((name) => !isWritten("SERVER", name))).toEqual([]);
  for (const { metrics = [] } of PROTOCOLS) {
    for (const { at, histograms } of metrics) {
      const rows = [...Object.keys(at), ...Object.keys(histograms)];
      for (const row of rows) {
        expect([
          row,
          new RegExp(`\\b(add|observe)\\("${row}"|\\.at\\.${row}\\b`).test(counting),
        ]).toEqual([row, true]);
      }
    }
  }
});

test("every flag of run has an effect, or says that it has none", () => {
  const cli = codeOf(/^src\/cli\//);
  const read = Object.entries(RUN_ARGS).filter(([name]) =>
    new RegExp(
      `(args|flags)(\\.${name}\\b|\\["${name}"\\])|number\\("${name}"|\\{[^}]*\\b${name}\\b[^}]*\\} = flags`,
    ).test(cli),
  );
  const unread = Object.keys(RUN_ARGS).filter((name) => !read.some(([other]) => other === name));
  expect(unread).toEqual([]);
  expect(RUN_ARGS["mbuf-size"].description).toContain("no effect");
});
