/** Options of modules, from what was read to what the configuration holds. */
import type { Option, OptionSettings } from "../api/option.ts";
import { assert } from "../base/assert.ts";
import type { Values } from "./scope.ts";
import { formatValue } from "./values.ts";

/** Values of a module's own options, as plain data. */
export function settingsOf(options: readonly Option[], values: Values): OptionSettings {
  return Object.fromEntries(
    options.map(({ name, type, secret }) => {
      const value = values.peek(name);
      assert(value !== undefined, `${name} has no error`);
      const text = secret ? null : formatValue(type, value);
      return [name, { value, text, isSet: values.node(name) !== undefined }];
    }),
  );
}
