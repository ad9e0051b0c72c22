import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const home = fileURLToPath(new URL('../../../.cache/bench-proxies', import.meta.url))

/** fast-gateway 5.0.1 wants a version of fast-proxy-lite that was not published. */
const manifest = {
  private: true,
  dependencies: { '@fastify/http-proxy': '11.6.3', 'fast-gateway': '5.0.1', fastify: '5.12.8', httpxy: '0.5.6' },
  overrides: { 'fast-proxy-lite': '1.1.2' },
}

/** Installs the proxies of others with npm, once. @returns the file from which they can be required */
export async function installPeers(): Promise<string> {
  const file = join(home, 'package.json')
  const done = join(home, `installed-${Object.values(manifest.dependencies).join('-')}`)
  if (!existsSync(done)) {
    await mkdir(home, { recursive: true })
    await writeFile(file, JSON.stringify(manifest))
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund'], { cwd: home })
    await writeFile(done, '')
  }
  return file
}
