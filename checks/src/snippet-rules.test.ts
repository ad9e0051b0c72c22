import { describe, expect, test } from 'vitest'
import { checkImports, checkNeedsNoRepository, compareOutput, shownOutput } from './snippet-rules.ts'

describe('imports of snippets', () => {
  const snippet = "```ts\nimport { z } from 'zod'\nimport { a } from '@sd/core/deep'\nimport { once } from 'node:events'\n```\n"

  test('need an install line above', () => {
    expect(checkImports('a.md', snippet)).toEqual([
      'a.md:1 imports zod: want it in an npm install line above',
      'a.md:1 imports @sd/core: want it in an npm install line above',
    ])
    expect(checkImports('a.md', `${snippet}\nnpm install zod @sd/core`)).toHaveLength(2)
  })

  test('are installed by a block or a line of text', () => {
    expect(checkImports('a.md', `\`\`\`sh\nnpm install @sd/core\n\`\`\`\n\nAnd \`npm install zod\`:\n\n${snippet}`)).toEqual([])
  })

  test('cannot be relative', () => {
    expect(checkImports('a.md', "```ts no-run\nexport { a } from '../src/a.ts'\nawait import('./b.ts')\n```\n")).toEqual([
      'a.md:1 imports ../src/a.ts, which the reader does not have',
      'a.md:1 imports ./b.ts, which the reader does not have',
    ])
  })
})

test('commands and paths of the repository are found, links to its files and other commands are not', () => {
  expect(checkNeedsNoRepository('a.md', 'Run\n`pnpm vitest`, or `npm start`; see examples/quickstart.')).toEqual([
    'a.md:2 needs this repository: pnpm vitest',
    'a.md:2 needs this repository: npm start',
    'a.md:2 needs this repository: examples/quickstart',
  ])
  expect(checkNeedsNoRepository('a.md', '[see](../../examples/quickstart), `npm install a`, `pnpm add a`')).toEqual([])
})

describe('what a snippet prints', () => {
  test('is in comments, or in a block below a line that says so', () => {
    expect(
      shownOutput('a() // prints { a: 1 }\nb() // text\nc() // prints c\n', '\n\nIt prints:\n\n```text\na\nb\n```\n'),
    ).toEqual({
      lines: ['{ a: 1 }', 'c'],
      whole: 'a\nb\n',
    })
    expect(shownOutput('a()', '\n\nA picture:\n\n```text\na\n```\n')).toEqual({ lines: [], whole: undefined })
    expect(shownOutput('a()', '\n\nText.\n\nIt prints:\n\n```text\na\n```\n')).toEqual({ lines: [], whole: undefined })
  })

  test('is compared by line, in order', () => {
    expect(compareOutput({ lines: ['a', 'c … e'], whole: undefined }, 'a\nb\nc 1 e\n')).toBeUndefined()
    expect(compareOutput({ lines: ['b', 'a'], whole: undefined }, 'a\nb\n')).toBe('did not print "a", but:\na\nb')
    expect(compareOutput({ lines: ['a', 'a'], whole: undefined }, 'a\n')).toMatch('did not print "a"')
  })

  test('is compared as a whole', () => {
    expect(compareOutput({ lines: [], whole: '1.… ms (a)\nb\n' }, '1.25 ms (a)\nb\n')).toBeUndefined()
    expect(compareOutput({ lines: [], whole: 'a\n' }, 'a\nb\n')).toBe('printed:\na\nb\nwant:\na')
  })
})
