import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerSource } from './sources.ts'

/** Debian packages are unpacked without being installed, so the loader needs the path of their libraries. */
export function libraryPath(source: ServerSource): Record<string, string> {
  if (source.kind !== 'binary') return {}
  const folders = ['usr/lib', 'lib'].map((path) => join(source.folder, path)).filter(existsSync)
  const paths = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('-linux-gnu'))
      .map((name) => join(folder, name)),
  )
  return paths.length > 0 ? { LD_LIBRARY_PATH: paths.join(':') } : {}
}
