import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type BackendFactory, createBackendFactory } from './index.ts'

/** A backend that shows the options from which it was created. */
interface Shown {
  readonly options: unknown
  show(): void
}

const show = (options: unknown): Shown => ({ options, show: () => undefined })

const factory: BackendFactory<Shown> = createBackendFactory<Shown>({
  noun: 'sample backend',
  field: 'sample',
  method: 'show',
  adapters: {
    absent: { package: '@sd/sample-absent', create: 'createSample', url: {} },
    old: { package: '@sd/core', create: 'createSample', url: {} },
    broken: { package: 'broken', create: 'createSample', url: {} },
    served: {
      package: 'here',
      create: 'show',
      url: { hosts: 'servers', namespace: { option: 'prefix', toValue: (name) => `/${name}` } },
    },
    both: {
      package: 'here',
      create: 'show',
      url: { path: { option: 'path', keepsSlash: true, folderOption: 'directory' }, lists: ['keys'] },
      compose: async ({ one }, { create, open }) => create({ one: await open('one', one) }),
    },
    named: {
      package: 'here',
      create: 'show',
      url: { path: { option: 'path', keepsSlash: true, folderOption: 'directory' }, lists: ['keys'] },
    },
  },
  importPackage: async (name) => {
    if (name === 'broken') throw new Error('the module throws')
    return name === 'here' ? { show } : import(name)
  },
})

test('an adapter that is not installed, too old or broken', async () => {
  await expect(factory.create('absent:')).rejects.toMatchObject({
    code: 'SD_NOT_FOUND',
    message: 'Sample backend type absent needs the package @sd/sample-absent; run npm install @sd/sample-absent',
  })
  await expect(factory.create('old:')).rejects.toMatchObject({ code: 'SD_UNSUPPORTED' })
  await expect(factory.create('broken:')).rejects.toThrow('the module throws')
})

test('a composition opens other backends, and errors name their path', async () => {
  const { options } = await factory.create({ type: 'both', one: 'named:a/b' })
  expect(options).toMatchObject({ one: { options: { path: 'a/b' } } })
  await expect(factory.create({ type: 'both', one: { type: 'none' } })).rejects.toMatchObject({ field: 'one.type' })
})

describe('types of the user', () => {
  const types = {
    tape: { schema: z.strictObject({ length: z.number() }), create: show },
    named: { create: async (options: unknown) => show({ own: options }) },
  }

  test('have a schema, and take precedence over adapters', async () => {
    expect((await factory.create('tape:?length=3', types)).options).toEqual({ length: 3 })
    expect((await factory.create('named:a', types)).options).toEqual({ own: { path: 'a' } })
    await expect(factory.create('tape:?length=x', types)).rejects.toMatchObject({ code: 'SD_INVALID', field: 'length' })
    await expect(factory.create('toString:', types)).rejects.toMatchObject({ code: 'SD_INVALID' })
  })
})

test.each([
  ['named:', { type: 'named' }],
  ['named:a.yaml', { type: 'named', path: 'a.yaml' }],
  ['named:///a/b/?keys=x,y', { type: 'named', directory: '/a/b/', keys: ['x', 'y'] }],
  ['served+tls://h:1?namespace=n', { type: 'served', servers: ['https://h:1'], prefix: '/n' }],
])('the URL %s', (url, config) => {
  expect(factory.parseUrl(url)).toEqual(config)
  expect(factory.readConfig(url)).toEqual(config)
})

test.each([
  ['served://h?namespace=n&prefix=/a', 'Invalid prefix: got "two values"'],
  ['served://h?a=1&a=2', 'Invalid a: got "two values"'],
  ['served://u@h', 'this sample backend type does not take credentials'],
  ['served://h/a', 'this sample backend type does not take one'],
  [show(1), 'Invalid sample: got "a sample backend instance"'],
  [5, 'Invalid sample: got 5, want a URL'],
])('%j is refused', (config, message) => {
  expect(() => factory.readConfig(config)).toThrow(message)
})
