import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { obtainServer } from './sources.ts'

/** How to start Chromium. */
export interface Chromium {
  readonly executablePath: string
  /** Variables in addition to those of the process. */
  readonly env: Readonly<Record<string, string>>
}

/** Like `obtainServer`, for Chromium: a program on PATH, or the one that was built, with its libraries and fonts. */
export async function obtainChromium(): Promise<Chromium | undefined> {
  const source = await obtainServer('chromium', { own: true })
  if (source?.kind !== 'binary') return undefined
  const { folder, path: executablePath } = source
  const places = { LD_LIBRARY_PATH: join(folder, 'al2023', 'lib'), FONTCONFIG_PATH: join(folder, 'fonts') }
  return { executablePath, env: Object.fromEntries(Object.entries(places).filter(([, place]) => existsSync(place))) }
}
