import { readFileSync } from 'node:fs'

/** Parts of the package.json of this package. */
export interface CliManifest {
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

/** Reads the package.json of this package. */
export function readManifest(): CliManifest {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as CliManifest
}
