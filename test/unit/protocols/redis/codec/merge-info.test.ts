import { describe, expect, test } from "bun:test";
import { mergeInfo } from "../../../../../src/protocols/redis/codec/merge-info.ts";

/** One section of several servers, merged: by field, without the title. */
function merged(title: string, ...servers: readonly string[][]): string[] {
  const texts = servers.map((lines) => [`# ${title}`, ...lines, ""].join("\r\n"));
  const [first, ...lines] = mergeInfo(texts).split("\r\n");
  expect(first).toBe(`# ${title}`);
  return lines.filter((line) => line !== "");
}

test("one server's text stays as it is", () => {
  const text = "# Server\r\nrun_id:1\r\n\r\n# Odd\r\nwhatever\r\n";
  expect(mergeInfo([text])).toBe(text);
});

test("sections keep their order, with an empty line between them", () => {
  const text =
    "# Clients\r\nconnected_clients:1\r\n\r\n# Modules\r\n\r\n# CPU\r\nused_cpu_sys:0.50\r\n";
  expect(mergeInfo([text, text])).toBe(
    "# Clients\r\nconnected_clients:2\r\n\r\n# Modules\r\n\r\n# CPU\r\nused_cpu_sys:1.00\r\n",
  );
});

test("a section that only some servers have is merged of theirs", () => {
  const some = "# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n";
  expect(mergeInfo(["# Keyspace\r\n", some])).toBe(some);
  expect(mergeInfo(["", ""])).toBe("");
});

describe("what differs", () => {
  test("is left out where it is about single servers", () => {
    expect(
      merged(
        "Server",
        ["run_id:a", "os:Linux", "tcp_port:1"],
        ["run_id:b", "os:Linux", "tcp_port:2"],
      ),
    ).toEqual(["os:Linux"]);
  });

  test("the lowest version, by number and not by letter", () => {
    expect(merged("Server", ["redis_version:7.10.1"], ["redis_version:7.9.12"])).toEqual([
      "redis_version:7.9.12",
    ]);
    expect(merged("Server", ["redis_version:7.0.15"], ["redis_version:7.0.15"])).toEqual([
      "redis_version:7.0.15",
    ]);
  });

  test("loading if any loads, and until the last has loaded", () => {
    expect(
      merged(
        "Persistence",
        ["loading:0", "rdb_last_save_time:100", "rdb_last_bgsave_status:ok"],
        [
          "loading:1",
          "loading_eta_seconds:3",
          "rdb_last_save_time:90",
          "rdb_last_bgsave_status:err",
        ],
        [
          "loading:1",
          "loading_eta_seconds:12",
          "rdb_last_save_time:95",
          "rdb_last_bgsave_status:ok",
        ],
      ),
    ).toEqual([
      "loading:1",
      "rdb_last_save_time:90",
      "rdb_last_bgsave_status:err",
      "loading_eta_seconds:12",
    ]);
  });

  test("replicas are counted, not listed", () => {
    expect(
      merged(
        "Replication",
        ["role:master", "connected_slaves:2", "slave0:ip=::1,port=1", "master_replid:a"],
        ["role:master", "connected_slaves:1", "slave0:ip=::1,port=1", "master_replid:b"],
      ),
    ).toEqual(["role:master", "connected_slaves:3"]);
  });
});

describe("memory", () => {
  test("what follows from sums is told of the sums", () => {
    expect(
      merged(
        "Memory",
        [
          ...["used_memory:1000", "used_memory_human:1000B", "used_memory_rss:3000"],
          ...["used_memory_peak:2000", "used_memory_peak_perc:50.00%", "maxmemory:0"],
          ...["mem_fragmentation_ratio:3.00", "mem_allocator:jemalloc-5.3.0"],
        ],
        [
          ...["used_memory:3000", "used_memory_human:2.93K", "used_memory_rss:3000"],
          ...["used_memory_peak:3000", "used_memory_peak_perc:100.00%", "maxmemory:500"],
          ...["mem_fragmentation_ratio:1.00", "mem_allocator:jemalloc-5.3.0"],
        ],
      ),
    ).toEqual([
      ...["used_memory:4000", "used_memory_human:3.91K", "used_memory_rss:6000"],
      ...["used_memory_peak:5000", "used_memory_peak_perc:80.00%", "maxmemory:0"],
      ...["mem_fragmentation_ratio:1.50", "mem_allocator:jemalloc-5.3.0"],
    ]);
  });

  test("limits are added up when all have one", () => {
    expect(merged("Memory", ["maxmemory:100"], ["maxmemory:50"])).toEqual(["maxmemory:150"]);
  });

  test.each([
    ["512", "512", "1.00K"],
    ["0", "0", "0B"],
    ["1048576", "524288", "1.50M"],
    ["1073741824", "0", "1.00G"],
  ])("%s and %s are %s", (a, b, human) => {
    const server = (bytes: string): string[] => [`x:${bytes}`, `x_human:${bytes}B`];
    expect(merged("Memory", server(a), server(b))[1]).toBe(`x_human:${human}`);
  });
});

describe("values of several parts", () => {
  test("keys are added up, their mean time to live counts by those that expire", () => {
    expect(
      merged(
        "Keyspace",
        ["db0:keys=10,expires=1,avg_ttl=1000", "db3:keys=1,expires=0,avg_ttl=0"],
        ["db0:keys=5,expires=3,avg_ttl=5000"],
        ["db1:keys=2,expires=0,avg_ttl=0"],
      ),
    ).toEqual([
      "db0:keys=15,expires=4,avg_ttl=4000",
      "db3:keys=1,expires=0,avg_ttl=0",
      "db1:keys=2,expires=0,avg_ttl=0",
    ]);
  });

  test("calls are added up, their mean duration counts by calls", () => {
    expect(
      merged(
        "Commandstats",
        ["cmdstat_get:calls=1,usec=10,usec_per_call=10.00,rejected_calls=0,failed_calls=0"],
        ["cmdstat_get:calls=3,usec=6,usec_per_call=2.00,rejected_calls=1,failed_calls=0"],
      ),
    ).toEqual(["cmdstat_get:calls=4,usec=16,usec_per_call=4.00,rejected_calls=1,failed_calls=0"]);
  });

  test("percentiles are those of the slowest server", () => {
    expect(
      merged(
        "Latencystats",
        ["latency_percentiles_usec_get:p50=1.003,p99=9.023"],
        ["latency_percentiles_usec_get:p50=2.007,p99=3.007"],
      ),
    ).toEqual(["latency_percentiles_usec_get:p50=2.007,p99=9.023"]);
  });

  test("every module is named once", () => {
    const a = "module:name=ReJSON,ver=20000";
    const b = "module:name=search,ver=20400";
    expect(merged("Modules", [a, b], [a, b])).toEqual([a, b]);
  });
});

test("what no rule understands is kept when it is the same everywhere", () => {
  expect(merged("Stats", ["odd:a b", "total_forks:1"], ["odd:a b", "total_forks:1"])).toEqual([
    "odd:a b",
    "total_forks:2",
  ]);
  expect(merged("Stats", ["odd:a"], ["odd:b"])).toEqual([]);
  expect(merged("Stats", ["kbps:0.25"], ["kbps:1.5"])).toEqual(["kbps:1.75"]);
});

test("what is the proxy's own takes the place of what differs", () => {
  const texts = [
    "# Server\r\nprocess_id:1\r\nrun_id:a\r\n",
    "# Server\r\nprocess_id:2\r\nrun_id:b\r\n",
  ];
  const own = new Map([
    ["process_id", "77"],
    ["absent", "x"],
  ]);
  expect(mergeInfo(texts, own)).toBe("# Server\r\nprocess_id:77\r\n");
});
