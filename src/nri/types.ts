/**
 * The NRI v2 API as plain values. Fields have the schema's names in camel case; int64 and uint64 are bigint; an `Optional*` wrapper
 * of the schema is its value or undefined; an absent map or list is an empty one.
 */
export type * from "../gen/nri.js";

export type StringMap = Record<string, string>;

/** The changes that a plugin asks for. The plugin does not ask to change a field that is absent. */
export type {
  ContainerAdjustmentInit as ContainerAdjustment,
  ContainerEvictionInit as ContainerEviction,
  ContainerUpdateInit as ContainerUpdate,
} from "../gen/nri.js";
