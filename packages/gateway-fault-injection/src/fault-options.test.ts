import { describe, expect, test } from 'vitest'
import { createFaultInjectionFilter } from './index.ts'

const create = (options: Readonly<Record<string, unknown>>) =>
  createFaultInjectionFilter()(options, { route: 'orders', path: 'routes[0].filters[0]' })

describe('the options', () => {
  test.each<[Readonly<Record<string, unknown>>, string]>([
    [{ enabled: 'yes' }, 'enabled'],
    [{ rules: {} }, 'rules'],
    [{ rules: [{}] }, 'rules[0]'],
    [{ rules: [{ error: 200 }] }, 'rules[0].error'],
    [{ rules: [{ error: 503, cutAfterBytes: 1 }] }, 'rules[0].cutAfterBytes'],
    [{ rules: [{ delayMs: 60_001 }] }, 'rules[0].delayMs'],
    [{ rules: [{ error: 503, percent: 5 }] }, 'rules[0].percent'],
    [{ rules: [{ error: 503, headers: { 'a b': 'x' } }] }, 'rules[0].headers.a b'],
    [{ rules: [{ error: 503, headers: { a: 7 } }] }, 'rules[0].headers.a'],
    [{ rules: [{ error: 503, headers: { a: {} } }] }, 'rules[0].headers.a'],
    [{ rules: [{ error: 503, headers: { a: { present: 1 } } }] }, 'rules[0].headers.a.present'],
    [{ rules: [{ error: 503, headers: { a: { prefix: 'a', present: true } } }] }, 'rules[0].headers.a'],
    [{ rules: [{ error: 503, headers: { a: { oneOf: [] } } }] }, 'rules[0].headers.a.oneOf'],
    [{ rules: [{ error: 503, headers: { a: { regex: 'a' } } }] }, 'rules[0].headers.a.regex'],
    [{ headerNetworks: ['localhost'] }, 'headerNetworks[0]'],
    [{ header: true }, 'header'],
    [{ maxActive: 0 }, 'maxActive'],
  ])('%j are refused for %s', (options, field) => {
    expect(() => create(options)).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
  })

  test('of the filter itself are checked', () => {
    expect(() => createFaultInjectionFilter({ random: 1 as never })).toThrow(expect.objectContaining({ field: 'random' }))
  })
})
