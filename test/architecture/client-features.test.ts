/** What a feature keeps of a Redis client is its own: no file of another folder assigns it. */
import { expect, test } from "bun:test";
import { ClientFeatures } from "../../src/protocols/redis/client/client-features.ts";
import type { DirectoryEntry } from "../../src/protocols/redis/client/local/client-directory.ts";
import { readSources, type SourceFile, withoutComments } from "./source-files.ts";

const CLIENT = "src/protocols/redis/client";

/** Each field's folder. */
const OWNERS: Readonly<Record<keyof ClientFeatures, string>> = {
  block: "blocking",
  entry: "local",
  leases: "keyless",
  nextVariant: "identity",
  scripts: "scripts",
  subscriber: "pubsub",
  transaction: "transaction",
};

const ASSIGNMENT = /\bfeatures\??\.(\w+)\s*(?:\?\?|\|\||&&|[-+])?=(?![=>])/g;

/** "field: file" for each assignment by a file that is not of the field's folder. */
function foreignAssignments(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, code }) =>
    [...code.matchAll(ASSIGNMENT)]
      .map(([, field = ""]) => field)
      .filter((field) => !path.startsWith(`${CLIENT}/${OWNERS[field as keyof ClientFeatures]}/`))
      .map((field) => `${field}: ${path}`),
  );
}

function planted(path: string, text: string): SourceFile {
  return { path: `${CLIENT}/${path}`, text, code: withoutComments(text) };
}

test("every field has an owner", () => {
  const fields = Object.keys(new ClientFeatures({} as DirectoryEntry));
  expect(fields.sort()).toEqual(Object.keys(OWNERS));
});

test("only its owner assigns a field", () => {
  const files = readSources("src/protocols");
  expect(files.filter(({ code }) => code.match(ASSIGNMENT) !== null).length).toBeGreaterThan(5);
  expect(foreignAssignments(files)).toEqual([]);
});

test("an assignment from elsewhere would be found", () => {
  const found = (path: string, text: string): string[] => foreignAssignments([planted(path, text)]);
  expect(found("pubsub/a.ts", "client.features.block = null;")).toHaveLength(1);
  expect(found("redis-frontend.ts", "this.features.scripts ??= made;")).toHaveLength(1);
  expect(found("blocking/a.ts", "client.features.block = null;")).toEqual([]);
  expect(found("pubsub/a.ts", "if (client.features.block === null) return;")).toEqual([]);
});
