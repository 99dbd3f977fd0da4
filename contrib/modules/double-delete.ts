/**
 * Deletes a key a second time, some time after its first deletion: a reader that had the old value from the database may have
 * put it back into the cache meanwhile. What is due when the worker ends is deleted at once; a worker that is killed forgets it.
 */
import { defineFilter, duration, integer, list, text } from "proxy/module";

export default defineFilter({
  api: 1,
  name: "double-delete",
  options: {
    after: duration({ default: 500, help: "How long after the first deletion." }),
    prefixes: list(text, { help: "Beginnings of keys; none: all." }),
    waiting: integer({ default: 100_000, min: 1, help: "Most keys that wait in a worker." }),
  },
  start({ options, counter, timer, send }) {
    const again = counter("deleted", "keys that were deleted a second time");
    const missed = counter(
      "missed",
      "keys that were not, because too many waited or no server took it",
    );
    const due = new Map<() => void, readonly [command: string, key: Uint8Array]>();
    const remove = (command: string, key: Uint8Array): void =>
      (send(key, [command, key]) ? again : missed).add(1);
    return {
      request(r) {
        if (r.command !== "DEL" && r.command !== "UNLINK" && r.command !== "delete") return;
        const { command } = r;
        for (let i = 0; i < r.keyCount; i++) {
          if (options.prefixes.length > 0 && !options.prefixes.some((p) => r.keyStartsWith(i, p)))
            continue;
          if (due.size >= options.waiting) {
            missed.add(1);
            continue;
          }
          // A copy: the request is gone by then, and keys need not be text.
          const key = new Uint8Array(r.key(i));
          const cancel = timer(options.after, () => {
            due.delete(cancel);
            remove(command, key);
          });
          due.set(cancel, [command, key]);
        }
      },
      stop() {
        for (const [cancel, [command, key]] of due) {
          cancel();
          remove(command, key);
        }
        due.clear();
      },
    };
  },
});
