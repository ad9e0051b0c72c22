import type { Finding } from '../report.ts'
import { benchDecorated } from './decorated.ts'
import { benchStart } from './start.ts'

/** Measures what an application on @sd/app costs: its start, its memory, and a decorated call. */
export async function benchApp(): Promise<readonly Finding[]> {
  return [...(await benchStart()), ...(await benchDecorated())]
}
