import undici, { type Dispatcher } from 'undici'
import { throughClient } from './through-client.ts'

/** undici, whose requests all go through `client.dispatcher`. Its own tests receive this from `require('undici')`. */
const shim: Record<string, unknown> = { ...undici }
if (process.env['SD_SUITE_BARE'] !== '1') {
  const base = undici as unknown as Record<string, never>
  for (const [name, takesOrigin] of [
    ['Client', true],
    ['Pool', true],
    ['RoundRobinPool', true],
    ['Agent', false],
  ] as const) {
    shim[name] = throughClient(base[name] as unknown as typeof Dispatcher, takesOrigin)
  }
  const agent = new (shim['Agent'] as new () => Dispatcher)()
  undici.setGlobalDispatcher(agent)
}

// Getters, such as that of CacheStorage, and properties that tests set.
export { shim as 'module.exports' }
