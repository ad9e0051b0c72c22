import { expect, test } from 'vitest'
import type { LockAnswer } from './answers.ts'
import { answerInquiries, inquire } from './inquiry.ts'

const held: LockAnswer = { lock: 'etcd', key: 'leader', value: 'orders-1', token: '18446744073709551615', since: 1 }

test('every live component answers the kind that is asked, until its end', () => {
  expect(inquire('locks')).toEqual([])
  const ends = [answerInquiries('locks', () => [held]), answerInquiries('lifecycle', () => [{ state: 'ready', since: 1 }])]
  expect(inquire('locks')).toEqual([held])
  expect(inquire('lifecycle')).toEqual([{ state: 'ready', since: 1 }])
  for (const end of ends) end()
  expect(inquire('locks')).toEqual([])
})

test('an answer knows what is asked for', () => {
  const asked: unknown[] = []
  const end = answerInquiries('config', (asks) => {
    asked.push(asks)
    return []
  })
  inquire('config')
  inquire('config', { config: 'orders', path: 'db.pool' })
  end()
  expect(asked).toEqual([{}, { config: 'orders', path: 'db.pool' }])
})

test('a failing answer affects neither the process nor other answers', () => {
  function* fail(): Iterable<LockAnswer> {
    yield held
    throw new Error('bug')
  }
  const ends = [answerInquiries('locks', fail), answerInquiries('locks', () => [{ ...held, key: 'other' }])]
  expect(inquire('locks').map(({ key }) => key)).toEqual(['leader', 'other'])
  for (const end of ends) end()
})
