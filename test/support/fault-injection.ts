/** Makes calls of the C library fail, for tests of what happens then. Only calls of this very process. */
import { type Pointer, toArrayBuffer } from "bun:ffi";
import { type Libc, libc } from "../../src/os/libc.ts";
import { ERRNO } from "../../src/os/os-error.ts";

export type Call = Exclude<keyof Libc, "__errno_location">;

type Function = (...args: never[]) => unknown;

/**
 * From now on `call` fails with `code`, as it does when the kernel refuses.
 * @param times so often; then it works again
 * @param only which calls, by their arguments; default: all
 * @returns ends that at once, and tells how often it failed
 */
export function failing(
  call: Call,
  code: string,
  times: number,
  only: (...args: number[]) => boolean = () => true,
): () => number {
  const number = ERRNO[code];
  if (number === undefined) throw new Error(`no error is called ${code}`);
  const functions = libc as unknown as Record<Call, Function>;
  const real = functions[call];
  let failed = 0;
  functions[call] = (...args: never[]) => {
    if (failed >= times || !only(...args)) return real(...args);
    failed += 1;
    new Int32Array(toArrayBuffer(Number(libc.__errno_location()) as Pointer, 0, 4))[0] = number;
    return -1;
  };
  return () => {
    functions[call] = real;
    return failed;
  };
}
