import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createRoundRobinBalancer } from '@sd/balancer-round-robin'
import type { SettingsParts } from '@sd/client'
import { readConfigText } from '@sd/config'
import { createMemoryRateLimiter } from '@sd/rate-limit-memory'
import { createRetryPolicy } from '@sd/retry'
import type { PlainObject } from '../rules/rule.ts'

const folder = fileURLToPath(new URL('../../fixtures/', import.meta.url))

/** What the fixtures use. */
export const parts: SettingsParts = {
  balancers: { 'round-robin': createRoundRobinBalancer },
  retry: createRetryPolicy,
  rateLimiter: createMemoryRateLimiter,
}

/** Documents of released versions, such as `1/smallest.yaml`. */
export const fixtureNames: readonly string[] = globSync('*/*.{yaml,json}', { cwd: folder }).sort()

/** The text of a fixture. */
function readFixture(name: string): string {
  return readFileSync(`${folder}${name}`, 'utf8')
}

/** A fixture as plain data. */
export function parseFixture(name: string): PlainObject {
  return readConfigText(readFixture(name), { key: name })
}

/** A document that is valid, with some fields replaced. */
export function documentWith(fields: PlainObject): PlainObject {
  return { ...parseFixture('1/smallest.yaml'), ...fields }
}
