import { planCall } from "../../call-time.js";
import type { Facts } from "../facts.js";
import type { Finding } from "../finding.js";
import { restart, setBridge, setNri } from "../fixes.js";
import { isContainerd, nameOf, speaksNri2 } from "./runtime.js";
import { isSettled } from "./runtime-config.js";

/** A chain that has less than this cannot be relied on: a start of a shell and an answer under load. */
const shortMs = 500;

/** The time that the runtime gives a whole chain, against what its plugins may take. */
export function timeFindings({ runtime, plugins, bridge }: Facts): readonly Finding[] {
  if (runtime === undefined || speaksNri2(runtime) === false || plugins.length === 0) return [];
  // What its file says first has to be certain.
  if (!isSettled(runtime)) return [];
  const { requestTimeoutMs, requestTimeoutAt } = runtime.config.nri;
  const { limitMs } = planCall(requestTimeoutMs, "", bridge.config);
  const limited = plugins.filter(({ async, timeoutMs }) => !async && timeoutMs !== null);
  const sumMs = limited.reduce((sum, { timeoutMs }) => sum + (timeoutMs ?? 0), 0);
  const where = requestTimeoutAt ?? runtime.config.path;
  const key = { key: "plugin_request_timeout", at: requestTimeoutAt } as const;
  if (limitMs < shortMs) {
    return [
      {
        id: "request-timeout-short",
        severity: "warning",
        what: `${nameOf(runtime)} waits ${requestTimeoutMs} ms for an answer, so a chain of plugins has ${Math.round(limitMs)} ms`,
        why: "a plugin that does not end in time is ended, and its create fails",
        fix: setNri(runtime, key, "2s"),
        where,
      },
    ];
  }
  if (sumMs <= limitMs) return [];
  return [
    {
      id: "timeouts-exceed-call",
      severity: "warning",
      what: `the plugins may take ${sumMs} ms together (timeoutMs of ${limited.map(({ type }) => type).join(", ")}), and a chain has ${Math.round(limitMs)} ms`,
      why: `${nameOf(runtime)} waits ${requestTimeoutMs} ms for the whole chain: the later plugins get what is left, and are ended when it is over`,
      fix: setNri(runtime, key, `${Math.ceil((sumMs + bridge.config.killAfterMs) / 0.9 / 1000 + 0.2)}s`),
      where,
    },
  ];
}

/** CRI-O starts a container whose StartContainer failed (its server/container_start.go: a warning). */
export function crioFindings(facts: Facts): readonly Finding[] {
  const { runtime, plugins, bridge } = facts;
  if (runtime?.name !== "cri-o") return [];
  const late = plugins.filter(
    ({ phase, takesCreate, createFails, async }) => phase === "start" && takesCreate && createFails && !async,
  );
  const [first] = late;
  if (first === undefined) return [];
  const path = late.length === plugins.length ? ["phase"] : ["plugins", first.type, "phase"];
  return [
    {
      id: "crio-starts-all-the-same",
      severity: "warning",
      what: `CRI-O starts a container although the create of ${late.map(({ type }) => type).join(", ")} failed`,
      why: "it takes an error of StartContainer for a warning, so what a plugin forbids runs; an error of CreateContainer it obeys",
      fix: `for a plugin that can do without a pid, which there is none of then: ${setBridge(facts, path, "create")}`,
      where: bridge.file ?? bridge.config.confFile,
    },
  ];
}

/** containerd 1.7 exits when a plugin that it launches does not come up. */
export function launchRiskFindings({ runtime, launched }: Facts): readonly Finding[] {
  const ours = launched.find(({ bridge, executable }) => bridge && executable);
  if (ours === undefined || runtime === undefined || !isContainerd(runtime, "1.7.0", "2.0.0")) return [];
  return [
    {
      id: "launched-takes-runtime-down",
      severity: "info",
      what: `${nameOf(runtime)} launches the bridge`,
      why: "a launched plugin that ends early or does not register in 5 s makes containerd 1.7 exit, and it sends no Synchronize: a service is safer here",
      fix: `on a drained node move ${ours.path} out of its directory, then ${restart(runtime)}, then install and start the service (deploy/systemd)`,
      where: ours.path,
    },
  ];
}
