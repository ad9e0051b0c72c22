import undici, { type Dispatcher } from 'undici'
import { throughClient } from './through-client.ts'

/** undici, with all that it sends going through `client.dispatcher`: what `require('undici')` of its own tests gives. */
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

// Getters, such as that of CacheStorage, and what tests set.
export { shim as 'module.exports' }
