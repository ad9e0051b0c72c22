import { readFileSync } from 'node:fs'
import { createGatewayDocumentReader } from '@sd/gateway-document'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { createPartLoader } from './part-loader.ts'
import { parts } from './parts.ts'
import { writeTestFile } from './testing/server-process.ts'

const guides = ['docs/guides/gateway.md', 'docs/guides/gateway-migration.md', 'packages/gateway-server/README.md']

/** Fields that a document needs, for blocks that show only a part of one. */
const rest = {
  version: 1,
  listeners: [{ name: 'edge', address: '127.0.0.1:8080' }],
  routes: [{ name: 'all', respond: { status: 200 } }],
}

interface Block {
  readonly place: string
  readonly text: string
}

function readGuide(guide: string): string {
  return readFileSync(new URL(`../../../${guide}`, import.meta.url), 'utf8')
}

function readBlocks(guide: string): readonly Block[] {
  const markdown = readGuide(guide)
  return [...markdown.matchAll(/^```yaml\n(.*?)^```$/gms)]
    .map(({ 1: text = '', index }) => ({ place: `${guide}:${markdown.slice(0, index).split('\n').length + 1}`, text }))
    .filter(({ text }) => !text.includes('of express-gateway'))
}

const blocks = guides.flatMap(readBlocks)

/** Writes the modules that documents name. @returns path of a document beside them */
async function writePlugins(): Promise<string> {
  const modules = guides.flatMap((guide) => [...readGuide(guide).matchAll(/^```js\n\/\/ ([\w-]+\.js)\n(.*?)^```$/gms)])
  let path = ''
  for (const [, name = '', text = ''] of modules) ({ path } = await writeTestFile(name, text))
  return path
}

test.each(blocks.map(({ place, text }) => [place, text]))('the document at %s is valid', async (_, text) => {
  const { load } = createPartLoader(await writePlugins())
  const reader = createGatewayDocumentReader({ parts, load })
  const { issues } = await reader.schema['~standard'].validate({ ...rest, ...(parse(text) as object) })
  expect(issues).toBeUndefined()
})
