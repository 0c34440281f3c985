/**
 * The NRI v2 API as plain values: names as in the schema (camel case), int64 and uint64 as bigint, the schema's
 * `Optional*` wrappers as the value itself or undefined, absent maps and lists as empty ones.
 */
export type * from "../gen/nri.js";

export type StringMap = Record<string, string>;

/** The changes that a plugin asks for: absent means not asked for. */
export type {
  ContainerAdjustmentInit as ContainerAdjustment,
  ContainerEvictionInit as ContainerEviction,
  ContainerUpdateInit as ContainerUpdate,
} from "../gen/nri.js";
