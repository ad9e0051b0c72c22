import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const dashboard = fileURLToPath(new URL('../../../packages/dashboard/', import.meta.url))

/** A built page, in a folder of its own: tests use the sources as they are, not an earlier build. */
export interface BuiltPage extends AsyncDisposable {
  readonly folder: URL
}

/** Builds the page of the dashboard. */
export async function buildPage(): Promise<BuiltPage> {
  const folder = await mkdtemp(join(tmpdir(), 'sd-page-'))
  await promisify(execFile)(process.execPath, ['web/build.mjs', folder], { cwd: dashboard })
  return { folder: pathToFileURL(`${folder}/`), [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}
