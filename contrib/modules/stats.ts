/** Counts requests by the beginning of their first key, in the statistics. */
import { defineFilter, list, text } from "proxy/module";

export default defineFilter({
  api: 1,
  name: "stats",
  options: { prefixes: list(text, { required: true, help: "Beginnings of keys to count." }) },
  start({ options, counter }) {
    const counts = options.prefixes.map((prefix) => ({
      prefix,
      requests: counter(`requests ${prefix}`, `requests for keys that begin with ${prefix}`),
    }));
    const others = counter("requests others", "requests for other keys, or without a key");
    return {
      request(r) {
        const found = r.keyCount > 0 && counts.find(({ prefix }) => r.keyStartsWith(0, prefix));
        (found ? found.requests : others).add(1);
      },
    };
  },
});
