import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { claimPidFile } from "../../../../src/supervisor/system/pid-file.ts";

let folder = "";
let path = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pid-"));
  path = join(folder, "pid");
});

afterEach(() => rmSync(folder, { recursive: true }));

test("claiming leaves the content alone, writing replaces it", () => {
  writeFileSync(path, "123456789\n");
  const file = claimPidFile(path);
  expect(readFileSync(path, "utf8")).toBe("123456789\n");
  file.write();
  expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
  file.remove();
  expect(existsSync(path)).toBe(false);
});

test("a second claim fails and names the owner, until the first is given up", () => {
  const first = claimPidFile(path);
  expect(() => claimPidFile(path)).toThrow(
    new RegExp(`pid file ${path} belongs to a proxy that is running; "proxy reload" `),
  );
  first.write();
  expect(() => claimPidFile(path)).toThrow(`running with pid ${process.pid}`);
  first.remove();
  claimPidFile(path).remove();
});

test("a file that was replaced by somebody else's is not removed", () => {
  const first = claimPidFile(path);
  first.write();
  unlinkSync(path);
  const second = claimPidFile(path);
  second.write();
  first.remove();
  expect(existsSync(path)).toBe(true);
  second.remove();
});

test("a file that is no pid file is left alone", () => {
  for (const content of ["root:x:0:0\n", "1".repeat(100)]) {
    writeFileSync(path, content);
    expect(() => claimPidFile(path)).toThrow(`pid file ${path} is no pid file`);
    expect(readFileSync(path, "utf8")).toBe(content);
  }
});
