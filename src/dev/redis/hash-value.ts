import { Collection } from "./collection.ts";

/** A hash: fields in order of insertion. */
export class HashValue extends Collection {
  override readonly type = "hash";
  readonly #fields = new Map<string, string>();

  override get size(): number {
    return this.#fields.size;
  }

  get(field: string): string | undefined {
    return this.#fields.get(field);
  }

  /** @returns whether the field is new */
  set(field: string, value: string): boolean {
    const old = this.#fields.get(field);
    if (old !== undefined) this.account(-1, field.length + old.length);
    this.#fields.set(field, value);
    this.account(1, field.length + value.length);
    return old === undefined;
  }

  delete(field: string): boolean {
    const old = this.#fields.get(field);
    if (old === undefined) return false;
    this.account(-1, field.length + old.length);
    return this.#fields.delete(field);
  }

  entries(): [string, string][] {
    return [...this.#fields];
  }
}
