import { registerHooks } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/**
 * Loaded before a test file of undici: `require('..')` returns the shim, and `require('../lib/…')` the files of the
 * client's undici, so that symbols and classes are identical.
 */
const checkout = join(process.env['SD_UNDICI'] as string, '/')
const undici = join(dirname(fileURLToPath(import.meta.resolve('undici'))), '/')
const shim = new URL('./shim.ts', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context)
    if (!resolved.url.startsWith('file:')) return resolved
    const path = fileURLToPath(resolved.url)
    if (!path.startsWith(checkout)) return resolved
    const inside = path.slice(checkout.length)
    if (inside === 'index.js') return { ...resolved, url: shim, format: 'module-typescript', shortCircuit: true }
    if (inside.startsWith('lib/')) return { ...resolved, url: pathToFileURL(join(undici, inside)).href }
    return resolved
  },
})
