import type { ReadCommand } from '../command.ts'
import { readManifest } from '../manifest.ts'
import { lines } from '../output/view.ts'

/** `sdctl version`. */
export const version: ReadCommand = {
  isLocal: true,
  run() {
    const data = { version: readManifest().version, node: process.versions.node }
    return Promise.resolve({ data, view: [lines(`sdctl ${data.version}`)] })
  },
}
