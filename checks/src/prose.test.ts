import { describe, expect, test } from 'vitest'
import { findHabits } from './prose.ts'

const habits = (file: string, text: string): readonly string[] =>
  findHabits(file, text).map(({ line, habit }) => `${line} ${habit}`)

describe('habits that are found', () => {
  test.each([
    ['is no X', 'A body that is no JSON is refused.'],
    ['is no X', 'Those that are\nno arrays are refused.'],
    ['who for code', 'Tells the listener who waits for it.'],
    ['who for code', 'Who has points has a weight.'],
    ['whoever', 'It is settled by whoever made the call.'],
    ['somebody', 'A file that nobody reads.'],
    ['well and sick for healthy and unhealthy', 'Three of five are well.'],
    ['well and sick for healthy and unhealthy', 'Groups without well endpoints are passed over.'],
    ['well and sick for healthy and unhealthy', 'One sick replica is enough.'],
    ['counts for applies', 'What was good last counts on.'],
    ['counts for applies', 'Reported after the new version counts.'],
    ['away for unreachable', 'While the registry is away, reads go on.'],
    ['away for unreachable', 'The config center goes away.'],
    ['gone for removed', 'An instance that is gone stays in the list.'],
    ['lost for disconnected', 'The server was lost.'],
    ['back for reconnected', 'Again, once the backend is back.'],
    ['anew', 'It begins anew.'],
    ['anew', 'It is read afresh.'],
    ['likewise', 'The second likewise.'],
    ['meanwhile', 'Meanwhile calls go on.'],
    ['so many, so long', 'Sends so many requests.'],
    ['so many, so long', 'Waits so long and not more.'],
    ['machines that are told and hear', 'Listeners are told of it.'],
    ['machines that are told and hear', 'It hears of no signal.'],
    ['how it is', 'Says how the connection is.'],
    ['stands on', 'The package stands on core.'],
    ['hangs on', 'All locks hang on one lease.'],
    ['lets go', 'Lets go of the backend.'],
    ['takes over', 'The next member takes over.'],
  ])('%s: %s', (habit, text) => {
    expect(habits('a.md', text).map((found) => found.replace(/^\d+ /, ''))).toEqual([habit])
  })

  test('in comments, docstrings, texts and templates of a source, with the line', () => {
    const source = [
      '// A value that is no number,',
      '// which nobody reads.',
      '/**',
      ' * What is',
      ' * no array.',
      ' */',
      'export const text = "the backend is away"',
      'export const other = `$'.concat('{text} is no JSON`'),
      '',
    ].join('\n')
    expect(habits('a.ts', source)).toEqual(['1 is no X', '2 somebody', '4 is no X', '7 away for unreachable', '8 is no X'])
  })

  test('in the TypeScript of a document', () => {
    expect(habits('a.md', 'Text.\n\n```ts\nconst a = 1 // is no text\n```\n')).toEqual(['4 is no X'])
  })

  test('lines of more than 200 characters, without the addresses of links', () => {
    expect(habits('a.md', `${'word '.repeat(41)}end`)).toEqual(['1 long line'])
    expect(habits('a.md', `${'word '.repeat(30)}[link](https://example.com/${'a'.repeat(90)})`)).toEqual([])
    expect(habits('a.md', `| ${'word '.repeat(60)}|`)).toEqual([])
    expect(habits('a.md', `\`\`\`text\n${'word '.repeat(60)}\n\`\`\``)).toEqual([])
  })
})

test.each([
  'There is no instance. It is no longer used; it is no more than a hint, and the answer is no.',
  'There has been no error, and there may be no list.',
  'Users who run Consul, and operators, who read logs, know this. Anyone may.',
  'The service whose instances are listed.',
  'It works well, as well as the well-known one. The limit is well below 100 and is well known.',
  'The count of calls. It counts attempts; both counts are exact. The failure counts as one. You can count on it.',
  'Remove it right away. It takes away a token, far away from here. The client receives GOAWAY.',
  'The server responds with 410 Gone.',
  'A message is lost, and the lock was lost.',
  'It comes back with its data, steps back, and latency is back to normal. Back-pressure holds it back.',
  'So long as it runs. There are so many calls that the queue fills.',
  'They are told apart by their names.',
  'How the connection is made. How it works.',
  'It takes over 20 seconds. Hold on to it. It lets the request go through.',
  'Names such as `is no X`, and ~~is no X~~.',
])('correct English passes: %s', (text) => {
  expect(habits('a.md', text)).toEqual([])
})

test('code is not prose', () => {
  expect(habits('a.ts', "import a from './who.ts'\nconst who = nobody.away\nexport default [a, who, 'who']\n")).toEqual([])
  expect(habits('a.md', '```text\nis no X\n```\n')).toEqual([])
})
