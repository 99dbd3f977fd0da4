/**
 * The seed of all random tests. The same in every run, so that a change is judged by what it changed: PROPERTY_SEED=random draws
 * another, and PROPERTY_SEED=n repeats one.
 */
const FIXED = 20_261_121;

const given = process.env["PROPERTY_SEED"];

export const SEED: number = given === "random" ? Date.now() % 2 ** 30 : Number(given ?? FIXED);
