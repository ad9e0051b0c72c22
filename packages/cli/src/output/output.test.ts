import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cleanText, toSafeJson } from './clean-text.ts'
import { displayWidth, truncate } from './display-width.ts'
import { render } from './render.ts'
import { fields, lines, source, styled, table } from './view.ts'

/** What could control a terminal or reorder a text. */
const control = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u

describe('text from outside', () => {
  test.each([
    ['a\u001b[31mred\u001b[0m', 'ared'],
    ['title\u001b]0;x\u0007!', 'title!'],
    ['\u009b2Jgone', 'gone'],
    ['bidi\u202egnp.exe', 'bidignp.exe'],
    ['one\r\ntwo\ttabs\rover', 'one two tabsover'],
    ['\ud800lone', '\ufffdlone'],
    ['tag\u{e0041}', 'tag'],
    ['北京 ok', '北京 ok'],
  ])('%j is printed as %j', (text, clean) => {
    expect(cleanText(text)).toBe(clean)
  })

  test('has no control characters, whatever it was', () => {
    const hostile = fc.string({
      unit: fc.constantFrom('\u001b', '[', ']', '0', 'm', '\u0007', '\u009b', '\u202e', 'a', '\n', '\r', ';'),
    })
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), (text) => {
        expect(cleanText(text)).not.toMatch(control)
        expect(cleanText(text, true).replaceAll(/[\n\t]/g, '')).not.toMatch(control)
        expect(toSafeJson(text)).not.toMatch(control)
        expect(JSON.parse(toSafeJson(text))).toBe(text)
      }),
    )
  })

  test('is cut at 10,000 characters', () => {
    expect(cleanText('x'.repeat(20_000))).toHaveLength(10_001)
  })
})

describe('width', () => {
  test.each([
    ['abc', 3],
    ['北京', 4],
    ['e\u0301', 1],
    ['👩‍👩‍👧', 2],
    ['ｱ', 1],
    ['한글', 4],
  ])('%s has %i columns', (text, width) => {
    expect(displayWidth(text)).toBe(width)
  })

  test('a cut text fits and ends in dots', () => {
    expect(truncate('北京市', 5)).toBe('北京…')
    expect(truncate('北京市', 4)).toBe('北…')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(20), (text, width) => {
        expect(displayWidth(truncate(text, width))).toBeLessThanOrEqual(width)
      }),
    )
  })
})

describe('a view', () => {
  const columns = [
    { title: 'NAME' },
    { title: 'PORT', align: 'right' as const },
    { title: 'EMPTY' },
    { title: 'NOTE', isOptional: true },
  ]
  const rows = [
    ['北京', '80', '', 'a note that is long'],
    [styled('red', 'orders'), '8080', '', [styled('dim', 'an'), ' other']],
  ]
  const block = table(columns, rows)

  test('is a table with columns that have content', () => {
    expect(render([block], { width: 80, hasColor: false })).toEqual([
      'NAME    PORT  NOTE',
      '北京      80  a note that is long',
      'orders  8080  an other',
    ])
  })

  test('has no optional columns where there is no space', () => {
    expect(render([block], { width: 20, hasColor: false })).toEqual(['NAME    PORT', '北京      80', 'orders  8080'])
  })

  test('cuts the widest columns of a table that is too wide', () => {
    const wide = table([{ title: 'A' }, { title: 'B' }], [['x'.repeat(40), 'y'.repeat(12)]])
    expect(render([wide], { width: 30, hasColor: false })[1]).toBe(`${'x'.repeat(15)}…  ${'y'.repeat(12)}`)
  })

  test('fits, whatever the texts and the width are', () => {
    const cell = fc.string({ unit: 'binary', maxLength: 60 })
    fc.assert(
      fc.property(
        fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }), { minLength: 1 }),
        fc.integer({ min: 32, max: 140 }),
        (some, width) => {
          const view = [table([{ title: 'A' }, { title: 'B' }, { title: 'C' }], some), lines(some[0]?.[0] ?? '', some[0] ?? [])]
          for (const line of render(view, { width, hasColor: false })) expect(displayWidth(line)).toBeLessThanOrEqual(width)
        },
      ),
    )
  })

  test('has styles only in a terminal with colours', () => {
    expect(render([lines(styled('red', 'x'))], { width: 80, hasColor: true })).toEqual(['\u001b[31mx\u001b[39m'])
    expect(render([lines(styled('red', 'x'))], { width: 80, hasColor: false })).toEqual(['x'])
  })

  test('has fields below each other, and a source with its lines', () => {
    const view = [fields(['name', 'orders'], ['none', ''], ['address', 'a'.repeat(30)]), source('one\n  two\n')]
    expect(render(view, { width: 20, hasColor: false })).toEqual([
      'name     orders',
      `address  ${'a'.repeat(10)}…`,
      'one',
      '  two',
    ])
  })
})
