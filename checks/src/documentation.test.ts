import { expect, test } from 'vitest'
import { extractSnippets } from './documentation.ts'

test('only TypeScript blocks are extracted, with their place', () => {
  const text = 'a\n```ts\nconst a = 1\n```\n```sh\nnpm start\n```\n```ts no-run\nb()\n```\n'
  const shown = { lines: [], whole: undefined }
  expect(extractSnippets('x.md', text)).toEqual([
    { place: 'x.md:2', code: 'const a = 1\n', runs: true, shown },
    { place: 'x.md:8', code: 'b()\n', runs: false, shown },
  ])
})
