/** Refuses commands on keys with one of these prefixes, or on any key. */
import { defineFilter, list, text } from "proxy/module";

export default defineFilter({
  api: 1,
  name: "deny",
  options: {
    commands: list(text, { help: "Commands to refuse, such as `[DEL, CONFIG SET]`; none: all." }),
    prefixes: list(text, { help: "Beginnings of keys; none: all, also requests without a key." }),
  },
  whenBroken: "refuse",
  start({ options, counter }) {
    const denied = counter("denied", "requests that were refused");
    const commands = new Set(options.commands.map((name) => name.toUpperCase()));
    const { prefixes } = options;
    return {
      request(r) {
        if (commands.size > 0 && !commands.has(r.command.toUpperCase())) return undefined;
        if (prefixes.length > 0 && !prefixes.some((prefix) => touches(r, prefix))) return undefined;
        denied.add(1);
        return r.fail("ERR denied by this proxy's configuration");
      },
    };
  },
});

/** Of a command that the proxy does not know yet, every argument may be a key. */
function touches(r: import("proxy/module").Request, prefix: string): boolean {
  if (!r.areKeysKnown) {
    for (let i = 1; i < r.count; i++) if (r.argText(i).startsWith(prefix)) return true;
  }
  for (let i = 0; i < r.keyCount; i++) if (r.keyStartsWith(i, prefix)) return true;
  return false;
}
