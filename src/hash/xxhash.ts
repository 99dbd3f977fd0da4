/**
 * xxHash with seed 0, from a WebAssembly module that is embedded in its package and compiled once per process.
 * `loadXxhash` must have resolved before either function is called.
 */
import createXxhash, { type XXHashAPI } from "xxhash-wasm";

let loaded: XXHashAPI | null = null;

export async function loadXxhash(): Promise<void> {
  loaded ??= await createXxhash();
}

export function createXxh32(): (bytes: Buffer, start: number, end: number) => number {
  const { h32Raw } = api();
  return (bytes, start, end) => h32Raw(bytes.subarray(start, end)) >>> 0;
}

/** The low 32 bits of XXH64. */
export function createXxh64(): (bytes: Buffer, start: number, end: number) => number {
  const { h64Raw } = api();
  return (bytes, start, end) => Number(h64Raw(bytes.subarray(start, end)) & 0xffff_ffffn);
}

function api(): XXHashAPI {
  if (loaded === null)
    throw new Error("initHashes() must have resolved before xxh32 or xxh64 is used");
  return loaded;
}
