import { expect, test } from "bun:test";
import { openSync } from "node:fs";
import { closeFd } from "../../../src/os/fd.ts";
import { createMemoryFile, readMemoryFile } from "../../../src/os/memory-file.ts";

test("a text is read back whole, and only under its name", () => {
  const text = "é".repeat(100_000);
  const fd = createMemoryFile("note", text);
  expect(readMemoryFile("note", fd) === text).toBe(true);
  expect(readMemoryFile("note", fd) === text).toBe(true);
  expect(readMemoryFile("not", fd)).toBe(null);
  closeFd(fd);
  expect(readMemoryFile("note", fd)).toBe(null);
  const other = openSync("/dev/null", "r");
  expect(readMemoryFile("note", other)).toBe(null);
  closeFd(other);
});
