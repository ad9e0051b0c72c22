import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ConfigTree, isTree, valueAt } from './config-tree.ts'
import { changedPaths, mergeInto, removeAt, shareTree, toPlain, writeAt } from './tree.ts'

const key = fc.constantFrom('a', 'b', 'c', 'constructor', 'toString', 'hasOwnProperty', '0')
const leaf = fc.oneof(
  fc.integer(),
  fc.constant(null),
  fc.boolean(),
  fc.string({ maxLength: 3 }),
  fc.array(fc.integer(), { maxLength: 2 }),
)
const { tree } = fc.letrec<{ tree: ConfigTree; value: unknown }>((tie) => ({
  tree: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }) as fc.Arbitrary<ConfigTree>,
  value: fc.oneof({ maxDepth: 3 }, leaf, tie('tree')),
}))

/** The values of a tree with their paths. An empty object is a value. */
function leavesOf(value: ConfigTree, path: readonly string[] = []): [readonly string[], unknown][] {
  return Object.entries(value).flatMap(([name, item]): [readonly string[], unknown][] => {
    const keys = [...path, name]
    return isTree(item) && Object.keys(item).length > 0 ? leavesOf(item, keys) : [[keys, item]]
  })
}

/** The reference model: writes every value of one tree, then every value of the other, at its path. */
function modelMerge(base: ConfigTree, over: ConfigTree): ConfigTree {
  const root: ConfigTree = {}
  for (const [keys, value] of [...leavesOf(base), ...leavesOf(over)]) {
    let inner = root
    for (const name of keys.slice(0, -1)) {
      if (!Object.hasOwn(inner, name) || !isTree(inner[name])) inner[name] = {}
      inner = inner[name] as ConfigTree
    }
    const last = keys.at(-1) as string
    const isMerged = isTree(value) && Object.hasOwn(inner, last) && isTree(inner[last])
    if (!isMerged) inner[last] = structuredClone(value)
  }
  return root
}

function mergeTrees(base: ConfigTree, over: ConfigTree): ConfigTree {
  return mergeInto(mergeInto({}, base), over)
}

describe('merging', () => {
  test('matches the reference model', () => {
    fc.assert(
      fc.property(tree, tree, (base, over) => {
        const before = [structuredClone(base), structuredClone(over)]
        const merged = mergeTrees(base, over)
        expect(merged).toEqual(modelMerge(base, over))
        expect([base, over]).toEqual(before)
      }),
      { seed: 1, numRuns: 1_000 },
    )
  })

  test('merging nothing changes nothing, and merging is associative', () => {
    fc.assert(
      fc.property(tree, tree, tree, (a, b, c) => {
        expect(mergeTrees(a, {})).toEqual(a)
        expect(mergeTrees({}, a)).toEqual(a)
        expect(mergeTrees(a, a)).toEqual(a)
        // If a value between two objects replaces the lower one, the order matters; without such values it does not.
        const [x, y, z] = [onlyObjects(a), onlyObjects(b), onlyObjects(c)]
        expect(mergeTrees(mergeTrees(x, y), z)).toEqual(mergeTrees(x, mergeTrees(y, z)))
      }),
      { seed: 2 },
    )
  })

  test('the result shares no object with its inputs', () => {
    const over = { a: { b: { c: 1 } } }
    mergeInto(mergeInto({}, over), { a: { b: { c: 2 } } })
    expect(over).toEqual({ a: { b: { c: 1 } } })
  })

  test('null and arrays replace', () => {
    expect(mergeTrees({ a: { b: 1 }, c: [1, 2], d: 1 }, { a: null, c: [3], d: { e: 1 } })).toEqual({
      a: null,
      c: [3],
      d: { e: 1 },
    })
  })
})

function onlyObjects(value: ConfigTree): ConfigTree {
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, isTree(item) ? onlyObjects(item) : {}]))
}

test('a shared tree is equal, and is the same object exactly where nothing changed', () => {
  fc.assert(
    fc.property(tree, tree, (a, b) => {
      const first = shareTree(undefined, a)
      expect(first).toEqual(a)
      expect(shareTree(first, structuredClone(a))).toBe(first)
      const second = shareTree(first, b)
      expect(second).toEqual(b)
      expect(second === first).toBe(changedPaths(first, second).length === 0)
      for (const name of Object.keys(b)) expect(Object.isFrozen(valueAt(second, [name]))).toBe(true)
    }),
    { seed: 3 },
  )
})

test('changed paths are those whose values differ', () => {
  expect(changedPaths({ a: 1, b: { c: 1, d: 1 }, e: [1] }, { a: 1, b: { c: 2 }, e: [2], f: { g: { h: 1 } }, i: {} })).toEqual([
    'b.c',
    'b.d',
    'e',
    'f.g.h',
    'i',
  ])
  expect(changedPaths(undefined, 1)).toEqual([''])
  expect(changedPaths({}, { a: 1, b: 2, c: 3 }, 2)).toEqual(['a', 'b'])
})

test('writing and removing at a path', () => {
  expect(writeAt({ a: 1 }, ['a', 'b'], 2)).toEqual({ a: { b: 2 } })
  expect(writeAt({ a: { c: 1 } }, ['a', 'b'], 2)).toEqual({ a: { b: 2, c: 1 } })
  expect(removeAt({ a: { b: { c: 1 } }, d: 1 }, ['a', 'b', 'c'])).toEqual({ d: 1 })
  expect(removeAt({ a: { b: 1, c: 1 } }, ['a', 'b'])).toEqual({ a: { c: 1 } })
  expect(removeAt({ a: 1 }, ['x', 'y'])).toEqual({ a: 1 })
  expect(removeAt({ a: 1 }, ['a', 'y'])).toEqual({ a: 1 })
})

test('only plain values become a tree', () => {
  const parsed: unknown = JSON.parse('{"__proto__":1}')
  for (const bad of [parsed, { a: new Map() }, { a: Symbol('x') }, { a: () => 1 }]) expect(() => toPlain(bad)).toThrow(TypeError)
  const cycle: ConfigTree = {}
  cycle['a'] = cycle
  expect(() => toPlain(cycle)).toThrow(RangeError)
  expect(toPlain({ a: undefined, b: [new Date(0)] })).toEqual({ b: ['1970-01-01T00:00:00.000Z'] })
})
