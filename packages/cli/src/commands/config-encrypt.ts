import type { ReadCommand } from '../command.ts'
import { keysOption, openKeys } from '../config/keys.ts'
import { readText } from '../config/read-text.ts'
import { source } from '../output/view.ts'

/** `sdctl config encrypt <key> [path]`: encrypts what the standard input has, for one entry or one value of it. */
export const configEncrypt: ReadCommand = {
  isLocal: true,
  arguments: [
    { name: 'key', description: 'key of the entry: it can be read only there' },
    { name: 'path', description: 'path of the value, such as db.password; the whole entry otherwise', isOptional: true },
  ],
  options: [keysOption, { flags: '--in <file>', description: 'file with the text; the standard input otherwise' }],
  async run(context) {
    const [key, path] = [context.argument('key'), context.argument('path')]
    const { encryptDocument, encryptValue } = await import('@sd/config-crypto')
    const keys = await openKeys(context)
    try {
      const text = await readText('--in', context.option('in') ?? '-', context)
      const { signal } = context
      // A line break at the end is that of the shell.
      const ciphertext = await (path === ''
        ? encryptDocument(text, { keys, key, signal })
        : encryptValue(text.replace(/\r?\n$/, ''), { keys, key, path, signal }))
      return { data: { key, ...(path !== '' && { path }), ciphertext }, view: [source(ciphertext)] }
    } finally {
      keys.close()
    }
  },
}
