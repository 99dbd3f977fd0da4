import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatFields } from "../../../src/base/log.ts";
import { openProcessLog } from "../../../src/os/log-output.ts";

let folder = "";
let file = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "log-"));
  file = join(folder, "proxy.log");
});

afterEach(() => rmSync(folder, { recursive: true }));

function lines(): string[] {
  return readFileSync(file, "utf8").split("\n").filter(Boolean);
}

test("a line has time, level, process, message and pairs", () => {
  const log = openProcessLog({ level: "info", file, process: "worker/2" });
  log.info("listening", { address: "127.0.0.1:1", note: "two words", count: 3, none: null });
  expect(lines()[0]).toMatch(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info worker\/2 listening address=127.0.0.1:1 note="two words" count=3 none=null event=listening$/,
  );
});

test("lines below the level are left out, and a child shares the level", () => {
  const log = openProcessLog({ level: "warn", file, process: "p" });
  const child = log.child({ pool: "a" });
  child.info("hidden");
  child.warn("first");
  log.setLevel("debug");
  child.debug("second", { n: 1 });
  expect(lines().map((line) => line.replace(/^\S+ /, ""))).toEqual([
    "warn p first pool=a event=first",
    "debug p second pool=a n=1 event=second",
  ]);
});

test("a message cannot forge a line", () => {
  openProcessLog({ level: "info", file, process: "p" }).info("evil\n2026 error p\x1b[2J");
  expect(lines()).toHaveLength(1);
  expect(lines()[0]).toContain("evil\\n2026 error p\\x1b[2J");
});

test("values with blanks, quotes and controls are quoted", () => {
  expect(formatFields({ a: "", b: 'x"y', c: "k=v", d: "é", e: "\n" })).toBe(
    ' a="" b="x\\"y" c="k=v" d=é e="\\n"',
  );
});

test("reopen follows a rotated file", () => {
  const log = openProcessLog({ level: "info", file, process: "p" });
  log.info("old");
  renameSync(file, `${file}.1`);
  log.info("still old");
  log.reopen();
  log.info("new");
  expect(lines()).toHaveLength(1);
  expect(readFileSync(`${file}.1`, "utf8")).toContain("still old");
});

test("reopen that fails keeps the old file and says so", () => {
  const log = openProcessLog({ level: "info", file, process: "p" });
  const moved = `${folder}-moved`;
  renameSync(folder, moved);
  log.reopen();
  log.info("after");
  renameSync(moved, folder);
  expect(lines().join("\n")).toMatch(/stays in use[\s\S]*after/);
});

test("an unusable file is an error that names it", () => {
  const bad = join(folder, "missing", "x.log");
  expect(() => openProcessLog({ level: "info", file: bad, process: "p" })).toThrow(bad);
});

test("writing does not throw when the reader is gone", async () => {
  const script = `
    import { openProcessLog } from ${JSON.stringify(join(import.meta.dir, "../../../src/os/log-output.ts"))};
    const log = openProcessLog({ level: "info", file: null, process: "p" });
    for (let i = 0; i < 1000; i++) log.info("x".repeat(1000));
    process.exit(7);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stderr: "pipe", stdout: "ignore" });
  await child.stderr.cancel();
  expect(await child.exited).toBe(7);
});

test("under systemd a line has a priority and no time", async () => {
  const script = `
    import { openProcessLog } from ${JSON.stringify(join(import.meta.dir, "../../../src/os/log-output.ts"))};
    import { fstatSync } from "node:fs";
    const s = fstatSync(2);
    process.env.JOURNAL_STREAM = s.dev + ":" + s.ino;
    openProcessLog({ level: "info", file: null, process: "p" }).error("bad", { a: 1 });
    process.env.JOURNAL_STREAM = "1:1";
    openProcessLog({ level: "info", file: null, process: "p" }).error("bad");`;
  const fd = openSync(file, "w");
  await Bun.spawn([process.execPath, "-e", script], { stderr: fd }).exited;
  closeSync(fd);
  expect(lines()[0]).toBe("<3>p bad a=1 event=bad");
  expect(lines()[1]).toMatch(/^\d{4}.*Z error p bad event=bad$/);
});

test("with format json a line is an object, and no field hides what each line has", () => {
  const log = openProcessLog({ level: "info", file, process: "worker/2", format: "json" });
  log
    .child({ pool: "a b" })
    .warn("the server is gone: why\n", { server: "s", level: "x", n: 3, none: null });
  log.setFormat("text");
  log.info("and back", { event: "back" });
  const [first = "", second = ""] = lines();
  const { time, ...others } = JSON.parse(first) as Record<string, unknown>;
  expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(others).toEqual({
    ...{ level: "warn", process: "worker/2", event: "server_is_gone", pool: "a b", server: "s" },
    ...{ n: 3, none: null, message: "the server is gone: why\\n" },
  });
  expect(second).toEndWith(" info worker/2 and back event=back");
});

test("what hears lines gets their event, and not within the text", () => {
  const heard: string[] = [];
  const log = openProcessLog({
    ...{ level: "error", file, process: "p" },
    hear: (level, line, event) => heard.push(`${level} | ${line} | ${event}`),
  });
  log.info("a lever's time is over", { lever: 1 });
  log.warn("module x: y", { event: "module_says" });
  expect(heard).toEqual([
    "info | a lever's time is over lever=1 | lever_time_is_over",
    "warn | module x: y | module_says",
  ]);
});
