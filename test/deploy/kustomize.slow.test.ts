import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { DaemonSet } from "kubernetes-models/apps/v1/DaemonSet";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import { afterAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { runCommandLine } from "../support/command-line.js";
import { has, root, run } from "./support.js";

const kustomize = join(root, "deploy/kustomize");
const overlays = readdirSync(join(kustomize, "overlays"));
const renderer = has("kustomize") ? ["kustomize", "build"] : has("kubectl") ? ["kubectl", "kustomize"] : undefined;

// Within the repository, so that TypeScript finds the API's types from there.
mkdirSync(join(root, "node_modules/.cache"), { recursive: true });
const folder = mkdtempSync(join(root, "node_modules/.cache/kustomize-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Models with the API's schemas, from Kubernetes' own OpenAPI documents. */
const models = { DaemonSet, ConfigMap, ServiceAccount } as const;

async function render(directory: string) {
  const [program = "", ...args] = renderer ?? [];
  const { code, stdout, stderr } = await run(program, [...args, directory]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const objects = parseAllDocuments(stdout).map((document): unknown => document.toJS());
  const of = (wanted: keyof typeof models) => objects.filter((object) => kindOf.parse(object).kind === wanted);
  const set: DaemonSet = Reflect.construct(DaemonSet, of("DaemonSet"));
  const config: ConfigMap = Reflect.construct(ConfigMap, of("ConfigMap"));
  const pod = set.spec?.template.spec;
  if (pod === undefined) throw new Error("the DaemonSet has no pods");
  return { objects, set, pod, config };
}

const kindOf = z.looseObject({ kind: z.enum(["DaemonSet", "ConfigMap", "ServiceAccount"]) });

/** What the API server would refuse: wrong types and missing fields (its schemas), and unknown fields (its types). */
async function findFaults(objects: readonly unknown[], name: string): Promise<string[]> {
  const lines: string[] = [];
  for (const [index, object] of objects.entries()) {
    const { kind } = kindOf.parse(object);
    const model: { validate(): void } = Reflect.construct(models[kind], [object]);
    model.validate();
    const group = kind === "DaemonSet" ? "apps/v1" : "v1";
    lines.push(`import type { I${kind} as T${index} } from "kubernetes-models/${group}/${kind}";`);
    lines.push(`export const object${index}: T${index} = ${JSON.stringify(object, null, 1)};`);
  }
  const file = join(folder, `${name}.ts`);
  writeFileSync(file, `${lines.join("\n")}\n`);
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--types", "", "--ignoreConfig"];
  const { stdout } = await run(join(root, "node_modules/.bin/tsc"), [...options, file]);
  return stdout.split("\n").filter((line) => line.includes("error"));
}

/** What `check` makes of a configuration, by key. */
async function readSettings(yaml: string): Promise<ReadonlyMap<string, unknown>> {
  const file = join(folder, "config.yaml");
  writeFileSync(file, yaml);
  const { stdout, stderr } = await runCommandLine(["check", "--json", "--config", file]);
  expect(stdout, stderr).not.toBe("");
  const settings: readonly { readonly key: string; readonly value: unknown }[] = JSON.parse(stdout).settings;
  return new Map(settings.map(({ key, value }) => [key, value]));
}

describe.skipIf(renderer === undefined)("the DaemonSet for", () => {
  it.each(["base", ...overlays.map((name) => `overlays/${name}`)])(
    "%s is what the API takes, and has a configuration that is valid",
    async (name) => {
      const { objects, pod, config } = await render(join(kustomize, name));
      expect(objects).toHaveLength(3);
      expect(await findFaults(objects, name.replaceAll("/", "-"))).toEqual([]);
      const settings = await readSettings(config.data?.["config.yaml"] ?? "");
      const [container] = pod.containers;
      expect(settings.get("metrics.listen")).toMatch(new RegExp(`^[^/]+:${container?.ports?.[0]?.containerPort}$`));
      // A probe of a loopback address comes from the node: only with its network.
      expect(pod.hostNetwork).toBe(true);
      const volume = pod.volumes?.find(({ configMap: map }) => map !== undefined);
      expect(volume?.configMap?.name).toBe(config.metadata?.name);
      expect(container?.args).toContain("/etc/nri-v01-bridge/config.yaml");
    },
  );

  it.each(overlays)("%s runs on the nodes that are labelled so, beside the others", async (name) => {
    const { set, pod } = await render(join(kustomize, "overlays", name));
    expect(pod.nodeSelector).toEqual({ "nri-v01-bridge/runtime": name });
    const expected = { namespace: "kube-system", name: `nri-v01-bridge-${name.replaceAll(".", "-")}` };
    expect(set.metadata).toMatchObject(expected);
  });

  it("every overlay mounts directories, never the socket or conf.json, and goes from node to node", async () => {
    const { pod, set } = await render(join(kustomize, "base"));
    const { volumes = [], containers, hostPID } = pod;
    const paths = volumes.flatMap(({ hostPath }) => (hostPath === undefined ? [] : [hostPath.path]));
    expect(paths.sort()).toEqual(
      ["/etc/nri", "/opt/nri/bin", "/sys/fs/cgroup", "/var/lib/nri-v01-bridge", "/var/run/nri"].sort(),
    );
    const names = volumes.map(({ name }) => name).sort();
    expect(containers[0]?.volumeMounts?.map(({ name }) => name).sort()).toEqual(names);
    expect(hostPID).toBe(true);
    expect(set.spec?.updateStrategy?.rollingUpdate).toEqual({ maxUnavailable: 1, maxSurge: 0 });
  });

  it("plugins that need the node runs on the node", async () => {
    const here = join(folder, "on-the-node");
    mkdirSync(here);
    const to = (path: string) => relative(here, join(kustomize, path));
    writeFileSync(
      join(here, "kustomization.yaml"),
      `resources: [${to("overlays/containerd-2")}]\ncomponents: [${to("components/on-the-node")}]\n`,
    );
    const { objects, pod } = await render(here);
    expect(await findFaults(objects, "on-the-node-checked")).toEqual([]);
    const [container] = pod.containers;
    expect(container?.command).toEqual(["/opt/nri-v01-bridge/on-the-node.sh", "/node/nri-v01-bridge"]);
    expect(container?.securityContext?.privileged).toBe(true);
    expect(container?.securityContext?.capabilities).toBeUndefined();
  });
});
