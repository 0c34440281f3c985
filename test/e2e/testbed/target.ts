import { type Bridge, type BridgeOptions, installBridge } from "./bridge.js";
import { Daemon } from "./daemon.js";
import type { RuntimeName, Testbed } from "./packages.js";
import { installPlugins } from "./records.js";

/** One way to run the bridge under one runtime. */
export interface Target {
  readonly runtime: Exclude<RuntimeName, "native">;
  readonly mode: BridgeOptions["mode"];
}

export const targets: readonly Target[] = [
  { runtime: "v17", mode: "external" },
  { runtime: "v17", mode: "launched" },
  { runtime: "v2", mode: "external" },
  { runtime: "v2", mode: "launched" },
];

/** Not containerd's own /etc/nri/conf.json: 2.x would run the sandboxes' plugins itself. */
export const bridgeConfFile = "/etc/nri/v01/conf.json";

/** A target that is up: the daemon, and the bridge registered with it. */
export interface RunningTarget extends Target {
  readonly daemon: Daemon;
  readonly bridge: Bridge;
  readonly confFile: string;
}

export interface TargetOptions {
  readonly requestTimeout?: string;
  readonly requiredPlugins?: readonly string[];
  readonly bridge?: Partial<BridgeOptions>;
}

/** Starts a runtime with the legacy plugins installed and the bridge as its NRI plugin. */
export async function startTarget(
  testbed: Testbed,
  target: Target,
  options: TargetOptions = {},
): Promise<RunningTarget> {
  const bridges: Bridge[] = [];
  const confFile = options.bridge?.confFile ?? bridgeConfFile;
  const daemon = await Daemon.start(testbed, target.runtime, {
    requestTimeout: options.requestTimeout,
    requiredPlugins: options.requiredPlugins,
    install: async (started) => {
      await installPlugins(started);
      bridges.push(await installBridge(started, { ...options.bridge, mode: target.mode, confFile }));
    },
  });
  try {
    const [bridge] = bridges;
    if (bridge === undefined) throw new Error("no bridge was installed");
    await bridge.start();
    return { ...target, daemon, bridge, confFile };
  } catch (thrown) {
    await daemon.stop();
    throw thrown;
  }
}

/** containerd 1.6 with the same plugins: what a target is compared with. */
export function startNative(testbed: Testbed): Promise<Daemon> {
  return Daemon.start(testbed, "native", { install: installPlugins });
}

/** Starts all targets at once; those that did start are stopped if one does not. */
export async function startAll(starts: readonly Promise<RunningTarget>[]): Promise<RunningTarget[]> {
  const settled = await Promise.allSettled(starts);
  const started = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const failed = settled.find((one) => one.status === "rejected");
  if (failed === undefined) return started;
  await stopAll(started);
  throw failed.reason;
}

export async function stopAll(running: readonly RunningTarget[]): Promise<void> {
  await Promise.all(running.map(({ daemon }) => daemon.stop()));
}

/**
 * Whether a pod goes on whose sandbox failed: containerd 2.0.0 to 2.2.5 and 2.3.0 to 2.3.2 do not start again after a sandbox was
 * refused twice, and are not told: such a sandbox is held.
 */
export function goesOnWhenRefused({ daemon }: RunningTarget): boolean {
  return /^v?2\.([01]\.|2\.[0-5]\b|3\.[0-2]\b)/.test(daemon.runtime.version);
}

/** Whether this version has NRI's default validator (`required_plugins`). */
export function hasValidator(version: string): boolean {
  return !/^1\.|^2\.[01]\./.test(version);
}
