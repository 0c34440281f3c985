import { expect, it } from "vitest";
import { createRecordedHost } from "../../src/host/host.js";

it("a recording's processes live until it says that they ended, whatever runs on this machine", () => {
  const host = createRecordedHost([]);
  const query = { id: "pod", pid: process.pid, cgroupsPath: "" };
  const claim = host.claim(query);
  expect(claim).toMatchObject({ confirmed: true });
  if (!claim.confirmed) return;
  expect(host.liveness(claim.identity)).toBe("alive");
  expect(host.liveness({ ...claim.identity, pid: 2 ** 22 + 1 })).toBe("alive");
  host.watcher.watch(claim.identity, () => expect.unreachable())();
  host.end(process.pid);
  expect(host.liveness(claim.identity)).toBe("dead");
  expect(host.claim({ ...query, pid: 0 })).toMatchObject({ confirmed: false });
});
