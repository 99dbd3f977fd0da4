/** THE table of options. See `option.ts` for what a row says. */
import type { Form, Option, Where } from "./option.ts";
import { POOL_OPTIONS, SERVER_OPTIONS } from "./options-pool.ts";
import { TOP_OPTIONS } from "./options-top.ts";

export const OPTIONS: readonly Option[] = [...TOP_OPTIONS, ...POOL_OPTIONS, ...SERVER_OPTIONS];

/** Every option of one map, of whatever form. */
export function optionsAt(where: Where): readonly Option[] {
  return OPTIONS.filter((option) => option.where === where);
}

/** The options that a file of this form may set in one map. */
export function optionsKnown(where: Where, form: Form): readonly Option[] {
  return optionsAt(where).filter((option) => option.forms.includes(form));
}
