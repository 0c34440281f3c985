import { BridgeError } from "../errors.js";

/**
 * The directory below a cgroup mount that a cgroupsPath means, with a leading slash.
 *
 * compat: a path without a leading slash and with two colons is systemd's `slice:prefix:name`, as runc reads it
 * (libcontainer/specconv): the unit is `prefix-name.scope`, or `name` itself where that is a slice, and an empty slice is
 * system.slice.
 * @throws BridgeError ADJUSTMENT for a path that names no cgroup, or one outside the mount
 */
export function resolveCgroupsPath(cgroupsPath: string): string {
  const parts = cgroupsPath.startsWith("/") ? [] : cgroupsPath.split(":");
  const [slice, prefix, name] = parts;
  if (parts.length !== 3 || slice === undefined || prefix === undefined || name === undefined) {
    return checkPath(cgroupsPath, `/${cgroupsPath}`);
  }
  const unit = name.endsWith(".slice") ? name : `${prefix}-${name}.scope`;
  if (name === "" || unit.includes("/")) throw badPath(cgroupsPath, "its unit name is empty or holds a slash");
  return checkPath(cgroupsPath, `${expandSlice(cgroupsPath, slice === "" ? "system.slice" : slice)}/${unit}`);
}

/** systemd.slice(5): `a-b.slice` lies in `a.slice`, and `-.slice` is the root. */
function expandSlice(cgroupsPath: string, slice: string): string {
  if (slice === "-.slice") return "";
  const names = slice.endsWith(".slice") && !slice.includes("/") ? slice.slice(0, -".slice".length).split("-") : [""];
  if (names.includes("")) throw badPath(cgroupsPath, `${JSON.stringify(slice)} is no slice`);
  return names.map((_, index) => `/${names.slice(0, index + 1).join("-")}.slice`).join("");
}

function checkPath(cgroupsPath: string, path: string): string {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.length === 0) throw badPath(cgroupsPath, "it names no cgroup");
  if (names.includes("..")) throw badPath(cgroupsPath, "it leads out with ..");
  if (/[\0\n]/.test(path)) throw badPath(cgroupsPath, "it holds a character that no path of a cgroup can");
  return `/${names.join("/")}`;
}

function badPath(cgroupsPath: string, why: string): BridgeError {
  return new BridgeError("ADJUSTMENT", `cgroupsPath ${JSON.stringify(cgroupsPath)} cannot be used: ${why}`, {
    cgroupsPath,
  });
}
