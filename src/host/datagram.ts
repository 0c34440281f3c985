import { closeSync } from "node:fs";

import { NativeError } from "./libc.js";
import type { Native } from "./native.js";

/** The same numbers on x86, ARM and RISC-V. */
const afUnix = 1;
const sockDgramCloexec = 2 | 0o2000000;
const msgNosignal = 0x4000;
/** EAGAIN where the receiver's queue is full: to wait for it would hold up the event loop. */
const msgDontwait = 0x40;
/** sun_path of struct sockaddr_un. */
const pathBytes = 108;

/** Sends one datagram to a unix socket, at once or not at all; @throws NativeError, or Error when there is no such address. */
export type SendDatagram = (address: string, payload: string) => void;

/** Datagrams to unix sockets, which Node has no way to send. An address that begins with `@` is an abstract one. */
export function createDatagramSender({ koffi, libc }: Native): SendDatagram {
  const library = koffi.load(null);
  const openSocket = library.func("int socket(int domain, int type, int protocol)");
  const sendTo = library.func(
    "int64_t sendto(int socket, void *data, size_t size, int flags, void *address, uint32_t addressSize)",
  );
  return (address, payload) => {
    const name = encodeAddress(address);
    const data = Buffer.from(payload);
    const descriptor = Number(openSocket(afUnix, sockDgramCloexec, 0));
    if (descriptor < 0) throw new NativeError("socket", libc.lastError());
    try {
      const sent = Number(sendTo(descriptor, data, data.length, msgNosignal | msgDontwait, name, name.length));
      if (sent < 0) throw new NativeError("sendto", libc.lastError());
    } finally {
      closeSync(descriptor);
    }
  };
}

/** struct sockaddr_un: the family in two bytes, then a path with its zero, or an abstract name after a zero. */
function encodeAddress(address: string): Buffer {
  const path = Buffer.from(address.startsWith("@") ? `\0${address.slice(1)}` : `${address}\0`);
  if (path.length > pathBytes) throw new Error(`${address}: longer than an address of a unix socket can be`);
  const name = Buffer.alloc(2 + path.length);
  name.writeUInt16LE(afUnix, 0);
  path.copy(name, 2);
  return name;
}
