import { type Clock, Deadline } from "../../base/deadline.js";

const NANOS_PER_MS = 1e6;

/** The longest timeout_nano, an int64: some 292 years. */
const MAX_TIMEOUT_NANO = 2n ** 63n - 1n;

/** The time left as a request's timeout_nano; 0, which stands for none, when there is no end. */
export function toTimeoutNano(deadline: Deadline): bigint {
  const nanos = deadline.remainingMs() * NANOS_PER_MS;
  if (nanos === Number.POSITIVE_INFINITY) return 0n;
  const whole = BigInt(Math.max(1, Math.round(nanos)));
  return whole < MAX_TIMEOUT_NANO ? whole : MAX_TIMEOUT_NANO;
}

/** The deadline that a request's timeout_nano sets from now; one below 0 has passed already. */
export function toDeadline(timeoutNano: bigint, clock: Clock | undefined): Deadline {
  return Deadline.after(timeoutNano === 0n ? Number.POSITIVE_INFINITY : Number(timeoutNano) / NANOS_PER_MS, clock);
}
