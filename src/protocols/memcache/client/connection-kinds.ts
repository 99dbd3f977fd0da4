/** The kinds of connections to Memcached servers. */
import { type ConnectionKind, connectionKind } from "../../../api/upstream.ts";

/** Connections that speak text; meta commands are mixed on them with the classic ones. */
export const VARIANT_TEXT: ConnectionKind = connectionKind(0);
/** Connections that speak binary. */
export const VARIANT_BINARY: ConnectionKind = connectionKind(1);
