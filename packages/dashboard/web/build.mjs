import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

// Bundles the page: node web/build.mjs <folder>. Everything it needs is in that folder, so users of the package install none of it.

const here = dirname(fileURLToPath(import.meta.url))
const [folder] = process.argv.slice(2)
if (!folder) throw new Error('Usage: node web/build.mjs <folder>')

await mkdir(folder, { recursive: true })
const { metafile } = await build({
  entryPoints: { page: join(here, 'main.tsx') },
  outdir: folder,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
})
await build({ entryPoints: [join(here, 'page.css')], outdir: folder, minify: true, logLevel: 'warning' })
for (const file of ['index.html', 'icon.svg']) await copyFile(join(here, file), join(folder, file))
await writeFile(join(folder, 'licenses.txt'), await readLicenses(metafile))

/** The licences of the bundled packages, which have to be given along with them. */
async function readLicenses({ inputs }) {
  const files = Object.keys(inputs).filter((file) => file.includes('node_modules/'))
  const roots = new Set(files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)[0]))
  const require = createRequire(import.meta.url)
  const texts = []
  for (const root of [...roots].sort()) {
    const path = join(process.cwd(), root)
    const { name, version } = require(join(path, 'package.json'))
    texts.push(`${name} ${version}\n\n${await readFile(join(path, 'LICENSE'), 'utf8')}`)
  }
  return texts.join(`\n${'-'.repeat(80)}\n\n`)
}
