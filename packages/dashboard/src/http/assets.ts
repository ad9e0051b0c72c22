import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { SdError } from '@sd/core'
import { send } from './exchange.ts'

const types: Readonly<Record<string, string>> = {
  'index.html': 'text/html; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
  'licenses.txt': 'text/plain; charset=utf-8',
}

/** The files of the page. They have no data, so they are served without a login. */
export interface Assets {
  /** Sends a file. @returns `false` if there is no such file */
  serve(name: string, request: IncomingMessage, response: ServerResponse): Promise<boolean>
}

/** Serves the page from a folder, and keeps its five files in memory. */
export function createAssets(folder: URL): Assets {
  const files = new Map<string, Promise<Uint8Array>>()

  function read(name: string): Promise<Uint8Array> {
    let file = files.get(name)
    if (!file) {
      file = readFile(new URL(name, folder))
      file.catch(() => files.delete(name))
      files.set(name, file)
    }
    return file
  }

  return {
    async serve(name, { method }, response) {
      const type = Object.hasOwn(types, name) ? types[name] : undefined
      if (type === undefined) return false
      const content = await read(name).catch(() => {
        throw new SdError('SD_UNAVAILABLE', `The page of @sd/dashboard was not built: ${name} is missing`)
      })
      send(response, 200, type, method === 'HEAD' ? new Uint8Array() : content)
      return true
    },
  }
}
