import { settlesWithin } from '@sd/core'
import { afterAll, expect, test } from 'vitest'
import { readPackages } from './workspace.ts'

/** Values that result from a forgotten argument, a forgotten await or a wrong variable. */
const mistakes: readonly (readonly [what: string, value: unknown])[] = [
  ['undefined', undefined],
  ['null', null],
  ['a number', 5],
  ['a text', 'consul://undefined'],
  ['an array', [5]],
  ['a function', () => undefined],
  ['a promise', Promise.resolve({})],
  ['a misspelt field', { nmae: 'x' }],
]

/** Marks `SdError` of any copy. */
const marker = Symbol.for('@sd/core/SdError')
const opened: unknown[] = []

/** Calls a factory with an argument. @returns `undefined` if it accepts it or rejects it with an `SdError`, otherwise the problem */
async function judge(create: (value: unknown) => unknown, value: unknown): Promise<string | undefined> {
  try {
    const made = create(value)
    const isSettled =
      !(made instanceof Promise) ||
      (await settlesWithin(
        made.then((result) => opened.push(result)),
        5_000,
      ))
    if (!(made instanceof Promise)) opened.push(made)
    return isSettled ? undefined : 'did not settle'
  } catch (error) {
    return Reflect.get(Object(error), marker) === true ? undefined : String(error)
  }
}

/** Packages that applications call; packages used only by adapters are excluded. */
const packages = readPackages().filter(({ folder }) => !/^connection-|^core$|^testing$|-kit$/.test(folder))
const factories: (readonly [name: string, create: (value: unknown) => unknown])[] = []
for (const { manifest } of packages) {
  const exported = (await import(manifest.name)) as Readonly<Record<string, unknown>>
  for (const [name, value] of Object.entries(exported)) {
    if (/^create[A-Z]/.test(name) && typeof value === 'function') {
      factories.push([`${name} of ${manifest.name}`, value as (value: unknown) => unknown])
    }
  }
}

afterAll(async () => {
  for (const made of opened) {
    const { close } = Object(made) as { close?: unknown }
    if (typeof close === 'function')
      await settlesWithin(
        Promise.resolve(Reflect.apply(close, made, [])).catch(() => undefined),
        1_000,
      )
  }
})

test('there are factories', () => expect(factories.length).toBeGreaterThan(60))

test.each(factories)('%s accepts a value that is not an options object, or rejects it with an SdError', async (_, create) => {
  const failures: string[] = []
  for (const [what, value] of mistakes) {
    const failure = await judge(create, value)
    if (failure !== undefined) failures.push(`${what}: ${failure}`)
  }
  expect(failures).toEqual([])
})
