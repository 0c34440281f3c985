import { readdirSync, readFileSync } from "node:fs";
import { children, statOf } from "../../plugin/processes.js";

/** A variable that every plugin of a test gets, and all that it starts. */
export const markName = "NRI_TEST_MARK";

/** The living processes that have a test's mark in their environment, zombies left out: wherever they fled. */
export function markedProcesses(mark: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && environmentOf(pid).includes(`${markName}=${mark}\0`))
    .filter((pid) => statOf(pid)?.state !== "Z");
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return "";
  }
}

/** The children of a process that have ended and that it has not reaped. */
export function zombiesOf(pid: number): number[] {
  return children(pid).filter((child) => statOf(child)?.state === "Z");
}

/** What /proc/<pid>/status says, in megabytes: VmRSS is the memory it has now, VmHWM the most that it ever had. */
export function memoryOf(pid: number, field: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const [, kilobytes] = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status) ?? [];
  return Number(kilobytes) / 1024;
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
