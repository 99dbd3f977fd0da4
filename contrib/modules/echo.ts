/** Sends everything back. */
import { defineProtocol } from "proxy/module";

export default defineProtocol({
  api: 1,
  name: "echo",
  connection: (c) => ({ bytes: (chunk) => c.write(chunk) }),
});
