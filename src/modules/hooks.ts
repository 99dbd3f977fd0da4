/** What a module's `start` and `connection` return, and whether it is right: a hook that is never called guards nothing. */
import type { ConnectionHooks, FilterHooks } from "proxy/module";
import { unknownKey } from "./known-keys.ts";

const FILTER_HOOKS: readonly (keyof FilterHooks)[] = ["request", "done", "stop"];
const CONNECTION_HOOKS: readonly (keyof ConnectionHooks)[] = ["bytes", "save", "closed"];

/** @throws TypeError that says what is wrong */
export function filterHooks(returned: unknown): FilterHooks {
  refusePromise(returned, "start", "return its hooks at once");
  const hooks = hooksIn(returned, "start", FILTER_HOOKS);
  if (FILTER_HOOKS.every((name) => hooks[name] === undefined)) {
    throw new TypeError("start returns no hooks: neither request nor done nor stop");
  }
  return hooks as FilterHooks;
}

/** @throws TypeError that says what is wrong */
export function connectionHooks(returned: unknown): ConnectionHooks {
  refusePromise(returned, "connection", "return its hooks at once");
  const hooks = hooksIn(returned, "connection", CONNECTION_HOOKS);
  if (hooks.bytes === undefined) throw new TypeError("connection returns no hook bytes");
  return hooks as ConnectionHooks;
}

/** @throws TypeError when `returned` is a promise, which nothing waits for */
export function refusePromise(returned: unknown, hook: string, demand: string): void {
  if (!(returned instanceof Promise)) return;
  // If it rejects, that is not to end the worker as well.
  returned.catch(() => {});
  throw new TypeError(`${hook} returns a promise; it must ${demand}`);
}

function hooksIn<Name extends string>(
  returned: unknown,
  from: string,
  names: readonly Name[],
): { readonly [hook in Name]?: unknown } {
  if (typeof returned !== "object" || returned === null) {
    throw new TypeError(`${from} returns no hooks`);
  }
  // An object of a class has fields of its own.
  const isPlain = Object.getPrototypeOf(returned) === Object.prototype;
  const fault = isPlain ? unknownKey(returned, names) : null;
  if (fault !== null) throw new TypeError(`what ${from} returns has an ${fault}`);
  const hooks = returned as { readonly [hook in Name]?: unknown };
  for (const name of names) {
    const hook = hooks[name];
    if (hook === undefined || typeof hook === "function") continue;
    throw new TypeError(`the hook ${name} that ${from} returns is not a function`);
  }
  return hooks;
}
