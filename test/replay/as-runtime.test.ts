import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeEvent, type NriEvent } from "../../src/nri/events.js";
import { asSentBy, parseRuntime } from "../../src/tools/replay/as-runtime.js";
import { readCase } from "../../src/tools/replay/case.js";
import { EventOrder } from "../../src/tools/runtime/event-order.js";

const fixtures = resolve(import.meta.dirname, "../../fixtures");
const recorded = readCase(`${fixtures}/cases/basic-hostnet`);
const as = (runtime: string) => asSentBy(recorded, parseRuntime(runtime));
const decoded = ({ events }: typeof recorded): NriEvent[] =>
  events.map(({ method, payload }) => decodeEvent(method, payload) ?? expect.unreachable());

describe("a case of containerd 1.7.24, as another version sends it", () => {
  const ownLabel = { oci_runtime_type: "io.containerd.runc.v2" };
  it.each([
    ["containerd-1.7.28", "StateChange", {}, []],
    ["containerd-2.0.5", "StateChange", {}, []],
    ["containerd-2.1.9", "StateChange", {}, ["StopPodSandbox"]],
    ["containerd-2.2.7", "StateChange", {}, ["StopPodSandbox"]],
    ["containerd-2.3.4", "RunPodSandbox", ownLabel, ["StopPodSandbox", "RemovePodSandbox"]],
    ["containerd-v2.4.0", "RunPodSandbox", ownLabel, ["StopPodSandbox", "RemovePodSandbox"]],
  ])("%s: by %s, with the labels %j, and the pod's cgroup at %j", (runtime, method, own, keeps) => {
    const sent = as(runtime);
    expect(sent.events.map(({ index }) => index)).toEqual(recorded.events.map(({ index }) => index));
    expect(sent.events[0]?.method).toBe(method);
    const [first] = decoded(recorded);
    const events = decoded(sent);
    for (const { pod } of events) expect(pod.labels).toEqual({ ...first?.pod.labels, ...own });
    expect(events[0]?.pod.pid).toBeGreaterThan(0);
    const image = "io.kubernetes.cri.podsandbox.image-name";
    expect(Object.hasOwn(events[0]?.pod.annotations ?? {}, image)).toBe(!runtime.startsWith("containerd-1"));
    const stopped = events.filter(({ name }) => name === "StopPodSandbox" || name === "RemovePodSandbox");
    expect(stopped).toHaveLength(2);
    for (const { name, pod } of stopped) {
      const isKept = keeps.includes(name);
      expect(pod.pid).toBe(0);
      expect(pod.linux?.cgroupsPath).toBe(isKept ? first?.pod.linux?.cgroupsPath : "");
      expect(Object.hasOwn(pod.annotations, "io.kubernetes.cri.sandbox-id")).toBe(isKept);
    }
  });

  it.each(["containerd-1.7.24", "containerd-2.4.0"])("goes by %s and back without a difference", (runtime) => {
    expect(decoded(asSentBy(as(runtime), parseRuntime("containerd-1.7.24")))).toEqual(decoded(recorded));
  });
});

describe("what one real containerd sent, sent as the other", () => {
  const older = recorded;
  const newer = readCase(`${fixtures}/containerd-2.1.9/basic-hostnet`);
  /** Each event with what it says of its pod, but for what differs between two runs of a scenario. */
  const shapesOf = ({ events }: typeof recorded, names: ReadonlySet<string>) =>
    events.flatMap(({ method, payload }) => {
      const { name, pod } = decodeEvent(method, payload) ?? expect.unreachable();
      if (!names.has(name)) return [];
      const { cgroupsPath = "", namespaces = [], resources } = pod.linux ?? {};
      const linux = {
        cgroup: cgroupsPath !== "",
        namespaces: namespaces.map(({ type }) => type),
        resources: !!resources,
      };
      const keys = { labels: Object.keys(pod.labels).sort(), annotations: Object.keys(pod.annotations).sort() };
      return [{ method, name, pid: pod.pid > 0, ...linux, ...keys }];
    });

  it.each([
    ["1.7.24's as 2.1.9's", older, newer, "containerd-2.1.9"],
    ["2.1.9's as 1.7.24's", newer, older, "containerd-1.7.24"],
  ])("%s has all that this one sent, and no more", (_, given, wanted, runtime) => {
    // The bridge that recorded it had not asked for all events.
    const names = new Set(decoded(newer).map(({ name }) => name));
    const shapes = shapesOf(wanted, names);
    expect(shapes.length).toBeGreaterThan(5);
    expect(shapesOf(asSentBy(given, parseRuntime(runtime)), names)).toEqual(shapes);
  });
});

it("a case of CRI-O as an earlier CRI-O sends it has other calls, and nothing else", () => {
  const crio = readCase(`${fixtures}/crio/with-infra-container`);
  const sent = asSentBy(crio, parseRuntime("cri-o-1.36.0"));
  expect(new Set(sent.events.map(({ method }) => method))).toEqual(new Set(["StateChange", "StopContainer"]));
  expect(decoded(sent)).toEqual(decoded(crio));
});

it.each([
  ["containerd", "--runtime containerd is unknown: give containerd-VERSION from 1.7 on"],
  ["containerd-1.6.20", "--runtime containerd-1.6.20 is unknown"],
  ["docker-29.0.0", "--runtime docker-29.0.0 is unknown"],
  ["cri-o-1.37.0", "--runtime cri-o: basic-hostnet was recorded on containerd"],
])("--runtime %s is refused: %s", (runtime, message) => {
  const fault = { code: "USAGE", message: expect.stringContaining(message) };
  expect(() => as(runtime)).toThrow(expect.objectContaining(fault));
});

describe("after what", () => {
  const pod = { id: "pod" };
  const container = { id: "ctr" };
  const endings = ["StopContainer", "RemoveContainer"] as const;
  const orderOf = (name: string, version = "1.37.0") => new EventOrder({ name, version });

  it.each([
    ["RunPodSandbox", "containerd", [], ["StopPodSandbox", "RemovePodSandbox"]],
    ["RunPodSandbox", "cri-o", [], ["StopPodSandbox", "RemovePodSandbox"]],
    ["CreateContainer", "containerd", endings, ["RunPodSandbox", "StopPodSandbox", "RemovePodSandbox"]],
    ["CreateContainer", "cri-o", [], ["RunPodSandbox", "StopPodSandbox", "RemovePodSandbox"]],
    ["StartContainer", "containerd", endings, ["RunPodSandbox", "StopPodSandbox", "RemovePodSandbox"]],
    [
      ...(["StartContainer", "cri-o", ["CreateContainer", "StartContainer", ...endings]] as const),
      ["RunPodSandbox", "StopPodSandbox", "RemovePodSandbox"],
    ],
  ] as const)(
    "a refused %s on %s leaves %j of the container and %j of the pod",
    (name, runtime, ofContainer, ofPod) => {
      const order = orderOf(runtime, "");
      order.failed({ name, pod, ...(name === "RunPodSandbox" ? {} : { container }) });
      const containers = (["CreateContainer", "StartContainer", ...endings] as const).filter((name) =>
        order.sends({ name, pod, container }),
      );
      const pods = (["RunPodSandbox", "StopPodSandbox", "RemovePodSandbox"] as const).filter((name) =>
        order.sends({ name, pod }),
      );
      expect([containers, pods]).toEqual([ofContainer, ofPod]);
      // Another's life goes on.
      expect(order.sends({ name: "StartContainer", pod: { id: "other" }, container: { id: "other" } })).toBe(true);
    },
  );

  it.each([
    ["containerd", true],
    ["cri-o", false],
  ])("a killed pause process has its StopPodSandbox on %s: %s", (runtime, sent) => {
    const order = orderOf(runtime);
    order.ended("pod");
    expect(order.sends({ name: "StopPodSandbox", pod })).toBe(sent);
    expect(order.sends({ name: "RemovePodSandbox", pod })).toBe(true);
  });

  it.each([
    ["containerd", "2.2.7", false],
    ["containerd", "2.3.0", true],
    ["containerd", "2.3.0-rc.1", true],
    ["cri-o", "1.34.0", true],
    ["another", "9.9.9", false],
  ])("UpdatePodSandbox on %s %s: %s", (name, version, sent) => {
    expect(orderOf(name, version).sends({ name: "UpdatePodSandbox", pod })).toBe(sent);
  });
});
