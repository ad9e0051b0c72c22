/** A tree of configuration values, as parsers return it and merging combines it. */
export interface ConfigTree {
  [key: string]: unknown
}

/** Whether a value is a plain object, which is merged key by key. */
export function isTree(value: unknown): value is ConfigTree {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** The value at a path. Only own properties are found. */
export function valueAt(root: unknown, keys: readonly string[]): unknown {
  let value = root
  for (const key of keys) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as ConfigTree)[key]
  }
  return value
}

/** A tree with `value` at a path and nothing else. */
export function treeOf(keys: readonly string[], value: unknown): ConfigTree {
  return keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as ConfigTree
}
