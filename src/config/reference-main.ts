/** `npm run docs`: writes docs/config.md. */
import { writeFileSync } from "node:fs";
import { createReference } from "./reference.ts";

writeFileSync(new URL("../../docs/config.md", import.meta.url), createReference());
