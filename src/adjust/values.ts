import type { LinuxDevice, Mount, POSIXRlimit } from "../nri/types.js";
import {
  byteLength,
  checkAbsolutePath,
  checkText,
  maxArgumentBytes,
  maxPathBytes,
  maxUint64,
  parseInteger,
} from "./grammar.js";
import { bad, good, map, type Parsed, suggest } from "./parsed.js";

/** The structured values of an adjustment, from the text of a metadata key or from an `adjust` object. */

/** `source,type,option...`, as /proc/mounts would say it with commas. A comma in a source needs the `adjust` object. */
export function parseMount(destination: string, text: string): Parsed<Mount> {
  const [source = "", type = "", ...options] = text.split(",");
  return checkMount({ destination, source, type, options });
}

export function checkMount(mount: Mount): Parsed<Mount> {
  const { destination, source, type, options } = mount;
  if (!checkAbsolutePath(destination).ok) return bad("an absolute path as the mount's destination", "fix the key");
  if (source === "" || type === "" || options.includes("")) {
    return bad("source,type,option...: such as /srv/data,bind,rbind,ro or tmpfs,tmpfs,size=64m");
  }
  if (
    !checkText(source, maxPathBytes).ok ||
    !checkText(type, 255).ok ||
    !checkText(options.join(","), maxPathBytes).ok
  ) {
    return bad(`a source, a type and options of at most ${maxPathBytes} bytes each`);
  }
  // runc takes the option for the mount, the type for a file system's name: it would fail with "no such device".
  if (type === "bind" && !options.includes("bind") && !options.includes("rbind")) {
    return bad("the option bind or rbind, which a mount of type bind needs");
  }
  return good(mount);
}

const deviceForm = "type:major:minor[:mode[:uid[:gid]]], type one of b c p u, mode octal: such as c:10:229:0666";

export function parseDevice(path: string, text: string): Parsed<LinuxDevice> {
  const match = /^([a-z]):(\d{1,10}):(\d{1,10})(?::([0-7]{1,5})(?::(\d{1,10})(?::(\d{1,10}))?)?)?$/.exec(text);
  if (match === null) return bad(deviceForm);
  const [, type = "", major = "", minor = "", mode, uid, gid] = match;
  return checkDevice({
    path,
    type,
    major: BigInt(major),
    minor: BigInt(minor),
    ...(mode === undefined ? {} : { fileMode: Number.parseInt(mode, 8) }),
    ...(uid === undefined ? {} : { uid: Number(uid) }),
    ...(gid === undefined ? {} : { gid: Number(gid) }),
  });
}

export function checkDevice(device: LinuxDevice): Parsed<LinuxDevice> {
  const { path, type, major, minor, fileMode = 0, uid = 0, gid = 0 } = device;
  if (!checkAbsolutePath(path).ok) return bad("an absolute path of the device in the container", "fix the key");
  if (!/^[bcpu]$/.test(type)) return bad(deviceForm);
  // include/linux/kdev_t.h: 12 bits of major, 20 of minor.
  if (major < 0n || major > 0xfffn || minor < 0n || minor > 0xfffffn) {
    return bad("a major number up to 4095 and a minor number up to 1048575");
  }
  if (fileMode < 0 || fileMode > 0o7777) return bad("a mode from 0 to 07777, octal");
  // The last id is (uid_t)-1: "leave it as it is" to chown.
  if (uid >= 0xffff_ffff || gid >= 0xffff_ffff) return bad("a uid and a gid from 0 to 4294967294");
  return good(device);
}

/** The resources of setrlimit(2), as OCI names them. */
const rlimitTypes: readonly string[] = [
  "AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK",
].flatMap((names) => names.split(" ").map((name) => `RLIMIT_${name}`));

/** `soft:hard`, each a number or `unlimited`. */
export function parseRlimit(type: string, text: string): Parsed<POSIXRlimit> {
  const [soft = "", hard = "", ...rest] = text.split(":");
  const limits = [parseLimit(soft), parseLimit(hard)] as const;
  if (rest.length > 0 || !limits[0].ok || !limits[1].ok) {
    return bad("soft:hard, each an integer from 0 to 18446744073709551615 or unlimited: such as 1024:unlimited");
  }
  return checkRlimit({ type, soft: limits[0].value, hard: limits[1].value });
}

export function checkRlimit(limit: POSIXRlimit): Parsed<POSIXRlimit> {
  if (!rlimitTypes.includes(limit.type)) {
    return bad("a limit as OCI names it, such as RLIMIT_NOFILE", suggest(limit.type, rlimitTypes, "fix the key"));
  }
  return limit.soft > limit.hard ? bad("a soft limit that is not above the hard one") : good(limit);
}

function parseLimit(text: string): Parsed<bigint> {
  return text === "unlimited" ? good(maxUint64) : parseInteger(text, { min: 0n, max: maxUint64 });
}

/** The arguments of a process. An empty first one is NRI's own sign (adaptation/result.go adjustArgs), not a program. */
export function checkArgs(args: readonly string[]): Parsed<string[]> {
  if (args.length === 0 || args[0] === "") return bad("a list of texts with the program first, which is not empty");
  const fits = args.every((argument) => checkText(argument, maxArgumentBytes).ok);
  return fits ? good([...args]) : bad(`arguments without NUL, of at most ${maxArgumentBytes} bytes each`);
}

/** A variable of the environment: `NAME=value` must fit into one string of execve. */
export function checkEnv(name: string, value: string): Parsed<{ key: string; value: string }> {
  if (!/^[^=\0]+$/.test(name)) return bad("the name of a variable, without =", "fix the key");
  if (value.includes("\0") || byteLength(name) + 1 + byteLength(value) > maxArgumentBytes) {
    return bad(`a text without NUL that is, with its name, at most ${maxArgumentBytes} bytes long`);
  }
  return map(good(value), (text) => ({ key: name, value: text }));
}
