/** `proxy module test echo.cases.ts` */
import { cases } from "proxy/module/test";
import echo from "./echo.ts";

export default cases(
  echo,
  {},
  {
    "everything comes back": [
      { client: "hello ", clientSees: "hello " },
      { client: "\x00\xff", clientSees: "\x00\xff" },
    ],
  },
);
