import type { ReadCommand } from '../command.ts'
import { source } from '../output/view.ts'

/** `sdctl config keygen <id>`: a new key for encrypted values, as `SD_CONFIG_KEYS` and files of keys take it. */
export const configKeygen: ReadCommand = {
  isLocal: true,
  arguments: [{ name: 'id', description: 'id of the key, such as 2026-01' }],
  async run(context) {
    const { generateKey } = await import('@sd/config-crypto')
    const id = context.argument('id')
    const key = generateKey(id)
    return { data: { id, key }, view: [source(key)] }
  },
}
