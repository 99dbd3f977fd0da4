/** What `proxy module init` writes: a module that works, to be changed. */

/** A filter that refuses keys. */
export function filterTemplate(name: string): string {
  return `import { defineFilter, list, type Request, text } from "proxy/module";

export default defineFilter({
  api: 1,
  name: "${name}",
  options: {
    prefixes: list(text, { help: "Beginnings of keys that are refused." }),
  },
  // It guards something: requests are refused, not passed, while it is switched off because it fails.
  whenBroken: "refuse",
  start({ options, counter }) {
    const refused = counter("refused", "requests that were refused");
    return {
      request(r) {
        if (!options.prefixes.some((prefix) => touches(r, prefix))) return undefined;
        refused.add(1);
        return r.fail("ERR refused by ${name}");
      },
    };
  },
});

/** Of a command that the proxy does not know, every argument may be a key. */
function touches(r: Request, prefix: string): boolean {
  if (!r.areKeysKnown) {
    for (let i = 1; i < r.count; i++) if (r.argText(i).startsWith(prefix)) return true;
  }
  for (let i = 0; i < r.keyCount; i++) if (r.keyStartsWith(i, prefix)) return true;
  return false;
}
`;
}

/** A protocol of lines, whose second word is a key. */
export function protocolTemplate(name: string): string {
  return `import { defineProtocol, lines } from "proxy/module";

// Requests and replies are lines, such as "get user:1": the second word is the key, which says the server.
export default defineProtocol({
  api: 1,
  name: "${name}",
  requestScanner: lines(),
  replyScanner: lines(),
  // A harmless request, for a server that was lost and may be back.
  probe: "ping\\r\\n",
  // What a client gets in place of a reply.
  failure: (text) => \`error \${text}\\r\\n\`,
  request(r, client) {
    if (r.word(0) === "quit") return r.end();
    return r.forward(r.word(1) === "" ? client.anyServer() : client.serverOf(r.word(1)));
  },
});
`;
}
