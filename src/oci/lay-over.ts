import type { LinuxResources } from "./resources.js";

/** Resources with others over them: each field for itself, limits of huge pages by their size, unified by the file. */
export function layOver(base: LinuxResources, over: LinuxResources): LinuxResources {
  const limits = [...(base.hugepageLimits ?? []), ...(over.hugepageLimits ?? [])];
  const bySize = new Map(limits.map((limit) => [limit.pageSize, limit]));
  const { memory = base.memory, cpu = base.cpu, unified = base.unified } = over;
  return {
    ...base,
    ...over,
    ...(memory === undefined ? {} : { memory: { ...base.memory, ...memory } }),
    ...(cpu === undefined ? {} : { cpu: { ...base.cpu, ...cpu } }),
    ...(bySize.size === 0 ? {} : { hugepageLimits: [...bySize.values()] }),
    ...(unified === undefined ? {} : { unified: { ...base.unified, ...unified } }),
  };
}
