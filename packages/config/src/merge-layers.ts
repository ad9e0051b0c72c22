import { type ConfigTree, isTree } from './config-tree.ts'
import type { ConfigFailure } from './failure.ts'
import type { Layer } from './layer.ts'
import { createSpelling } from './spelling.ts'
import { mergeInto } from './tree.ts'

/** Merged layers. */
export interface MergedLayers {
  /** The merged tree. */
  readonly tree: ConfigTree
  /** The layers that contribute to a path, the winner first. Layers below a value that replaces them are not included. */
  at(keys: readonly string[]): readonly Layer[]
  /** The place of a value, or of the closest existing parent. */
  placeOf(keys: readonly string[]): Pick<ConfigFailure, 'source' | 'key' | 'line'>
}

interface Indexed {
  /** Layers with a value at the path, lowest first. */
  readonly layers: number[]
  /** The highest layer whose value there is not an object. */
  cut: number
}

/** Merges layers, lowest first. Each text is a layer and there can be thousands, so everything here is linear in their size. */
export function mergeLayers(given: readonly Layer[]): MergedLayers {
  const tree: ConfigTree = {}
  const layers: Layer[] = []
  const index = new Map<string, Indexed>()
  const spelling = createSpelling()

  function note(value: unknown, keys: readonly string[], layer: number): void {
    const path = keys.join('\0')
    const found = index.get(path) ?? { layers: [], cut: -1 }
    index.set(path, found)
    found.layers.push(layer)
    if (!isTree(value)) found.cut = layer
    if (typeof value !== 'object' || value === null) return
    for (const [key, item] of Object.entries(value)) note(item, [...keys, key], layer)
  }

  for (const layer of given) {
    const own = layer.isRelaxed ? spelling.adopt(layer.tree) : layer.tree
    spelling.learn(own)
    mergeInto(tree, own)
    note(own, [], layers.push({ ...layer, tree: own }) - 1)
  }

  function at(keys: readonly string[]): readonly Layer[] {
    const cut = Math.max(-1, ...keys.map((_, depth) => index.get(keys.slice(0, depth).join('\0'))?.cut ?? -1))
    const found = index.get(keys.join('\0'))?.layers ?? []
    return found
      .filter((layer) => layer >= cut)
      .map((layer) => layers[layer] as Layer)
      .reverse()
  }

  return {
    tree,
    at,
    placeOf(keys) {
      for (let length = keys.length; length > 0; length--) {
        const path = keys.slice(0, length)
        const [layer] = at(path)
        if (layer) return { source: layer.source, key: layer.key, line: layer.lineOf(path) }
      }
      return { source: 'schema' }
    },
  }
}
