/** `proxy module test beanstalk.cases.ts` */
import { cases } from "proxy/module/test";
import beanstalk from "./beanstalk.ts";

/** Of the servers' jobs 7 and 8, as clients see them. */
const [JOB_7, JOB_8] = ["7452748", "8500293"];

const POLL = "reserve-with-timeout 0\r\n";
const WATCH = "watch default\r\n";

export default cases(
  beanstalk,
  { servers: 2, options: { put: "round_robin" } },
  {
    "jobs are put in turn, and their ids say their server": [
      {
        client: "put 0 0 60 2\r\nhi\r\n",
        serverSees: { s1: "use default\r\nput 0 0 60 2\r\nhi\r\n" },
      },
      {
        serverSays: { s1: ["USING default\r\n", "INSERTED 7\r\n"] },
        clientSees: `INSERTED ${JOB_7}\r\n`,
      },
      { client: "peek 8\r\n", clientSees: "NOT_FOUND\r\n" },
      { client: `peek ${JOB_7}\r\n`, serverSees: { s1: "peek 7\r\n" } },
      { serverSays: { s1: ["FOUND 7 2\r\nhi\r\n"] }, clientSees: `FOUND ${JOB_7} 2\r\nhi\r\n` },
    ],
    "a client waits at all servers, and the connection that has its job is kept": [
      { client: "reserve\r\n", serverSees: { s1: WATCH } },
      { serverSays: { s1: ["WATCHING 1\r\n"] }, serverSees: { s1: POLL } },
      { serverSays: { s1: ["TIMED_OUT\r\n"] }, serverSees: { s2: WATCH } },
      { serverSays: { s2: ["WATCHING 1\r\n"] }, serverSees: { s2: POLL } },
      {
        serverSays: { s2: ["TIMED_OUT\r\n"] },
        serverSees: { s1: "reserve\r\n", s2: "reserve\r\n" },
      },
      {
        serverSays: { s2: ["RESERVED 8 2\r\nhi\r\n"] },
        clientSees: `RESERVED ${JOB_8} 2\r\nhi\r\n`,
      },
      { client: `delete ${JOB_8}\r\n`, serverSees: { s2: "delete 8\r\n" } },
      { serverSays: { s2: ["DELETED\r\n"] }, clientSees: "DELETED\r\n" },
    ],
    "what beanstalkd would read otherwise goes to no server": [
      { client: "put 0 0 60 0x2\r\n", clientSees: "BAD_FORMAT\r\n" },
      { client: "bogus\r\nuse a\r\n", clientSees: "UNKNOWN_COMMAND\r\nUSING a\r\n" },
    ],
  },
);
