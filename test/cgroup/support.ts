import type { Machine } from "../../src/cgroup/machine.js";

/** Sixteen processors, two memory nodes, two sizes of huge pages. */
export const machine: Machine = {
  cpus: Array.from({ length: 16 }, (_, index) => index),
  mems: [0, 1],
  hugepages: [
    { name: "2MB", bytes: 1n << 21n },
    { name: "1GB", bytes: 1n << 30n },
  ],
};
