import { afterEach, beforeEach, expect, test } from "bun:test";
import { fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeFd, growDescriptorTable, redirectFd, tryLock } from "../../../src/os/fd.ts";
import { errnoName, errorText, OsError } from "../../../src/os/os-error.ts";
import { createSharedMemory, resizeSharedMemory } from "../../../src/os/shared-memory.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fd-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

test("shared memory is zeroed, shared between mappings, and keeps its content when it grows", () => {
  const fd = createSharedMemory("test", 4096);
  const map = () => new Float64Array(Bun.mmap(`/proc/self/fd/${fd}`, { shared: true }).buffer);
  const writer = map();
  expect(writer.every((value) => value === 0)).toBe(true);
  writer[7] = 42;
  resizeSharedMemory(fd, 8192);
  const reader = map();
  expect(reader.length).toBe(1024);
  expect(reader[7]).toBe(42);
  closeFd(fd);
});

test("a lock is exclusive until its descriptor is closed", () => {
  const path = join(folder, "lock");
  const first = openSync(path, "a");
  const second = openSync(path, "a");
  expect(tryLock(first)).toBe(true);
  expect(tryLock(second)).toBe(false);
  closeFd(first);
  expect(tryLock(second)).toBe(true);
  closeFd(second);
});

test("a redirected descriptor is the other file", () => {
  const path = join(folder, "out");
  const target = openSync("/dev/null", "w");
  const fd = openSync(path, "w");
  redirectFd(fd, target);
  closeFd(fd);
  writeSync(target, "text");
  closeFd(target);
  expect(readFileSync(path, "utf8")).toBe("text");
});

test("the table of descriptors is made large once; beyond the limit of open files nothing happens", () => {
  const size = (): number => {
    const status = readFileSync("/proc/self/status", "latin1");
    return Number(/^FDSize:\s+(\d+)/m.exec(status)?.[1]);
  };
  const before = size();
  growDescriptorTable(0, 2 ** 31 - 1);
  expect(size()).toBe(before);
  growDescriptorTable(0, before + 1);
  expect(size()).toBeGreaterThan(before);
});

test("a failing call is an error with the name of its number", () => {
  const error = (() => {
    try {
      return redirectFd(-1, 0);
    } catch (caught) {
      return caught;
    }
  })();
  expect(error).toBeInstanceOf(OsError);
  expect((error as OsError).code).toBe("EBADF");
  expect(() => fstatSync(0)).not.toThrow();
  expect(errnoName(98)).toBe("EADDRINUSE");
  expect(errorText("EACCES")).toBe("permission denied (EACCES)");
  expect(errorText("EPROTO")).toBe("EPROTO");
});
