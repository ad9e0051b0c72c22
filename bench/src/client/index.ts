import type { Finding } from '../report.ts'
import { benchAlone } from './alone.ts'
import { benchBeside } from './beside.ts'
import { benchProxies } from './proxies.ts'

/** Measures calls against undici, `node:http2` and other clients. Each part ends after about a minute, even on a busy machine. */
export async function benchClient(): Promise<readonly Finding[]> {
  return [...(await benchAlone()), ...(await benchBeside()), ...(await benchProxies())]
}
