import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from './gate.ts'

// Errors of a backend are classified by its own codes. If it has none, its texts are in one file of its connection, `server-texts.ts`,
// with a test on the real server that detects changes of the texts.

const packages = join(root, 'packages')

/** Files that compare codes, not texts: identifiers of etcd, the first word of a Redis reply, names of packages. */
const exact: ReadonlySet<string> = new Set([
  'connection-etcd/src/etcd-errors.ts',
  'rate-limit-redis/src/redis-connection.ts',
  'factory-kit/src/backend-factory.ts',
])

const judgements = [
  // error.message.includes('…'), reason.startsWith('…')
  /\b(?:message|reason|details)\b[^\n]{0,20}\.(?:includes|startsWith|endsWith|match|search)\(/,
  // /…/.test(error.message), /…/.exec(String(error))
  /\.(?:test|exec)\([^)\n]*\b(?:message|reason|details|String\((?:caught|error|cause|reason))\b/,
  // A response of a server: /some words/.test(text)
  /\/[^/\n]*[a-z]+ [a-z]+[^/\n]*\/[a-z]*\.(?:test|exec)\(/,
]

function comparesTexts(text: string): readonly string[] {
  return text.split('\n').filter((line) => judgements.some((pattern) => pattern.test(line)))
}

test('no error is classified by texts of a message outside of server-texts.ts', () => {
  const found = readdirSync(packages)
    // The client has no backend: it distinguishes its own messages from those of undici.
    .filter((name) => name !== 'testing' && name !== 'client')
    .flatMap((name) =>
      readdirSync(join(packages, name, 'src'), { recursive: true, encoding: 'utf8' })
        .filter((file) => /\.ts$/.test(file) && !/\.test\.ts$|^testing\/|server-texts\.ts$/.test(file))
        .map((file) => `${name}/src/${file}`)
        .filter((file) => !exact.has(file))
        .flatMap((file) => comparesTexts(readFileSync(join(packages, file), 'utf8')).map((line) => `${file}: ${line.trim()}`)),
    )
  expect(found).toEqual([])
})

test.each([
  [`if (/request is too large/i.test(reason)) return`, 1],
  [`return error.message.includes('too large')`, 1],
  [`if (!String((error as SdError).message).includes('NOSCRIPT')) throw error`, 1],
  [`return status >= 400 && /cas publish fail/i.test(text)`, 1],
  [`if (/addressType/.test(String(error))) return`, 1],
  [`return error.code === 'SD_DENIED' && labelValue.test(text)`, 0],
])('%s is %i of them', (line, count) => {
  expect(comparesTexts(line)).toHaveLength(count)
})
