import { expect, test } from "bun:test";

test("xxh32 and xxh64 say what is missing before initHashes, and work after it", () => {
  // A process of its own: in this one another test may have loaded them.
  const program = `
    import { createHash, initHashes } from "${new URL("../../../src/hash/hash-function.ts", import.meta.url).pathname}";
    for (const name of ["xxh32", "xxh64"]) {
      try { createHash(name, true); console.log("no error"); } catch (error) { console.log(error.message); }
    }
    await initHashes();
    await initHashes();
    const apple = Buffer.from("apple");
    for (const name of ["xxh32", "xxh64"]) console.log(createHash(name, true)(apple, 0, 5));
  `;
  const { stdout } = Bun.spawnSync([process.execPath, "-e", program], { stderr: "inherit" });
  const missing = "initHashes() must have resolved before xxh32 or xxh64 is used";
  const low = Number(BigInt.asUintN(32, Bun.hash.xxHash64("apple")));
  expect(stdout.toString()).toBe(`${missing}\n${missing}\n${Bun.hash.xxHash32("apple")}\n${low}\n`);
});
