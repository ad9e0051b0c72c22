import { expect, test } from 'vitest'
import { readFaultHeader } from './fault-header.ts'
import { checkFaultSettings, createFaultInjection } from './index.ts'

const bad: [unknown, string][] = [
  [[], 'faults'],
  [{ enable: true }, 'faults.enable'],
  [{ enabled: 'yes' }, 'faults.enabled'],
  [{ header: 1 }, 'faults.header'],
  [{ rules: {} }, 'faults.rules'],
  [{ rules: new Array(101).fill({ error: 503 }) }, 'faults.rules'],
  [{ rules: [null] }, 'faults.rules[0]'],
  [{ rules: [{}] }, 'faults.rules[0]'],
  [{ rules: [{ error: 503 }, { errors: 503 }] }, 'faults.rules[1].errors'],
  [{ rules: [{ error: 399 }] }, 'faults.rules[0].error'],
  [{ rules: [{ error: '503' }] }, 'faults.rules[0].error'],
  [{ rules: [{ error: 503, share: 1.1 }] }, 'faults.rules[0].share'],
  [{ rules: [{ error: 503, name: '' }] }, 'faults.rules[0].name'],
  [{ rules: [{ error: 503, service: 7 }] }, 'faults.rules[0].service'],
  [{ rules: [{ error: 503, methods: ['get'] }] }, 'faults.rules[0].methods'],
  [{ rules: [{ error: 503, methods: [] }] }, 'faults.rules[0].methods'],
  [{ rules: [{ error: 503, pathPrefix: 1 }] }, 'faults.rules[0].pathPrefix'],
  [{ rules: [{ error: 503, cutAfterBytes: 1 }] }, 'faults.rules[0].cutAfterBytes'],
  [{ rules: [{ delayMs: 60_001 }] }, 'faults.rules[0].delayMs'],
  [{ rules: [{ jitterMs: -1 }] }, 'faults.rules[0].jitterMs'],
  [{ rules: [{ cutAfterBytes: 1.5 }] }, 'faults.rules[0].cutAfterBytes'],
]

for (const [settings, field] of bad) {
  test(`rejects by name: ${field} in ${JSON.stringify(settings).slice(0, 60)}`, () => {
    expect(() => checkFaultSettings('faults', settings)).toThrow(`Invalid ${field}: `)
  })
}

test('validates options in the same way, and applies defaults', () => {
  expect(() => createFaultInjection({ random: 1 as never })).toThrow('Invalid random')
  expect(() => createFaultInjection({ rule: [] } as never)).toThrow('Invalid rule: unknown field')
  expect(createFaultInjection().settings).toEqual({ enabled: false, rules: [], header: false })
})

test('the header has the fields of a rule', () => {
  expect(readFaultHeader('delay=200; jitter=5; cut=10; share=0.5; service=orders')).toMatchObject({
    delayMs: 200,
    jitterMs: 5,
    cutAfterBytes: 10,
    share: 0.5,
    service: 'orders',
    name: 'header',
  })
  expect(readFaultHeader('error=unavailable')).toMatchObject({ error: 'unavailable' })
  for (const text of ['', 'delay', 'delay=', 'delay=x', 'delay=1=2', 'what=1', 'delay=99999', 'error=503;cut=1']) {
    expect(readFaultHeader(text)).toBeUndefined()
  }
})
