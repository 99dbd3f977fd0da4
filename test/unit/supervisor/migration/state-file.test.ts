import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Logger } from "../../../../src/base/log.ts";
import type { CourseRecord } from "../../../../src/migration/course-record.ts";
import { StateFile } from "../../../../src/supervisor/migration/state-file.ts";

const folder = mkdtempSync(join(tmpdir(), "state-"));
const file = join(folder, "proxy.yaml");
const path = `${file}.migration`;

const RECORD: CourseRecord = {
  placement: {
    ...{ hash: "fnv1a_64", hashSignedChar: true, hashTag: null, distribution: "ketama" },
    servers: [{ name: "a", address: { kind: "tcp", host: "h", port: 1 }, weight: 1 }],
  },
  epoch: 7,
  current: null,
};

const silent: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  child: () => silent,
  setLevel() {},
  reopen() {},
  redirect() {},
};

afterEach(() => rmSync(path, { force: true, recursive: true }));

describe("the file that says where keys are", () => {
  test("is read as it was written, and holds no pool that was forgotten", () => {
    const state = new StateFile(file, silent);
    expect(state.records).toEqual({});
    expect(state.write({ main: RECORD, other: RECORD })).toBe(true);
    expect(new StateFile(file, silent).records).toEqual({ main: RECORD, other: RECORD });
    state.forget(["other"]);
    expect(new StateFile(file, silent).records).toEqual({ main: RECORD });
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  test("that is damaged is not passed over", () => {
    writeFileSync(path, readFileSync(import.meta.path));
    expect(() => new StateFile(file, silent)).toThrow("cannot be understood");
  });

  test("stays as it was when it cannot be written", () => {
    const state = new StateFile(join(folder, "missing", "proxy.yaml"), silent);
    expect(state.write({ main: RECORD })).toBe(false);
    expect(state.records).toEqual({});
  });
});
