/** Who did what: one line of JSON for each request, with its keys and without any other argument, which may be a secret. */
import { boolean, defineFilter, type End, integer, text } from "proxy/module";

interface Note {
  readonly peer: string;
  readonly keys: readonly string[];
}

export default defineFilter({
  api: 1,
  name: "audit",
  options: {
    to: text({ required: true, help: "File to append to, or tcp://host:port." }),
    writes: boolean({ help: "Only commands that change something." }),
    keys: integer({ default: 10, min: 0, max: 1000, help: "Most keys in a line." }),
  },
  start({ options, pool, lines, counter }) {
    const out = lines(options.to);
    const dropped = counter("dropped", "lines that were dropped because the reader is too slow");
    const tell = ({ command, note, outcome, ms }: End): void => {
      if (note === undefined) return;
      const time = new Date().toISOString();
      const facts = { time, pool, ...(note as Note), command, outcome, ms: Math.round(ms) };
      if (!out.write(JSON.stringify(facts))) dropped.add(1);
    };
    return {
      request(r) {
        if (options.writes && !r.isWrite) return;
        const keys: string[] = [];
        for (let i = 0; i < r.keyCount && i < options.keys; i++) keys.push(r.keyText(i));
        r.note = { peer: r.client.peer, keys };
      },
      done: tell,
    };
  },
});
