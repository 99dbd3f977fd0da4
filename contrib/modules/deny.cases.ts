/** `proxy module test deny.cases.ts` */
import { cases } from "proxy/module/test";
import deny from "./deny.ts";

const DENIED = "-ERR denied by this proxy's configuration\r\n";

export default cases(
  deny,
  { options: { prefixes: ["secret:"], commands: ["get", "MGET"] } },
  {
    "replies keep their order": [
      { client: "GET a\r\nGET secret:1\r\nGET b\r\n", serverSees: "GET a\r\nGET b\r\n" },
      { serverSays: ["$1\r\n1\r\n"], clientSees: `$1\r\n1\r\n${DENIED}` },
      { serverSays: ["$-1\r\n"], clientSees: "$-1\r\n" },
    ],
    "any key of a request counts": [
      { client: "*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$8\r\nsecret:2\r\n", clientSees: DENIED },
    ],
    "other commands pass": [
      { client: "DEL secret:1\r\n", serverSees: "DEL secret:1\r\n" },
      { serverSays: [":1\r\n"], clientSees: ":1\r\n" },
    ],
  },
);
