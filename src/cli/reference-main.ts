/** `npm run docs`: writes docs/config.md. */
import { writeFileSync } from "node:fs";
import { createReference } from "../config/reference.ts";
import { PROTOCOLS } from "../protocols/registry.ts";

writeFileSync(new URL("../../docs/config.md", import.meta.url), createReference(PROTOCOLS));
