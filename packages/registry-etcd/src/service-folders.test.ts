import { decodeInstance, encodeInstance } from '@sd/adapter-kit'
import type { KeyValue, KeyValues } from '@sd/connection-etcd'
import { type AllServices, createServiceInstance, createSnapshot, escapeName, type ServiceSnapshot, unescapeName } from '@sd/core'
import { createSeededRandom, plainSpec } from '@sd/testing'
import { expect, test } from 'vitest'
import { createServiceFolders, serviceOfKey } from './service-folders.ts'

const prefix = '/sd/services'
const names = ['orders', 'users', 'a/b', '~x'] as const

function toSnapshot(service: string, { entries, revision }: KeyValues, previous?: ServiceSnapshot): ServiceSnapshot {
  const instances = [...entries].map(([key, { text }]) => {
    const id = unescapeName(key.split('/').at(-1) ?? '')
    return decodeInstance(text, { service, id }).instance
  })
  return createSnapshot({ service, instances, revision, previous })
}

function documentOf(service: string, index: number, weight: number): KeyValue {
  const instance = createServiceInstance({ ...plainSpec(service, index), weight }, { createdAt: 1 })
  return { text: encodeInstance(instance, '1'), isText: true, createRevision: 1n, modRevision: 1n, lease: '1' }
}

const listsOf = (services: AllServices) => [...services].map(([name, { instances }]) => [name, instances])

test('single changes result in the same as a complete list, and unchanged services keep their snapshot', () => {
  const random = createSeededRandom(13)
  const pick = (count: number): number => Math.floor(random() * count)
  for (let run = 0; run < 200; run++) {
    const entries = new Map<string, KeyValue>()
    const folders = createServiceFolders({ prefix, toSnapshot, before: undefined })
    let before = folders.take({ entries, revision: '1' })
    for (let batch = 0; batch < 6; batch++) {
      const changed = new Set<string>()
      for (let change = pick(4); change > 0; change--) {
        const service = names[pick(names.length)] ?? 'orders'
        const index = 1 + pick(3)
        const key = `${prefix}/${escapeName(service)}/${escapeName(`${service}-${index}`)}`
        changed.add(key)
        if (pick(3) === 0) entries.delete(key)
        else entries.set(key, documentOf(service, index, 1 + pick(3)))
      }
      const now = folders.take({ entries, revision: '2' }, changed)
      const whole = createServiceFolders({ prefix, toSnapshot, before: undefined }).take({ entries, revision: '2' })
      expect(listsOf(now)).toEqual(listsOf(whole))
      const touched = new Set([...changed].map((key) => serviceOfKey(prefix, key)))
      for (const [name, snapshot] of before) if (!touched.has(name)) expect(now.get(name)).toBe(snapshot)
      before = now
    }
  }
})
