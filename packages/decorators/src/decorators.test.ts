// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders are written so.
import { createCockatielBreaker } from '@sd/breaker-cockatiel'
import { createConfig, createMemoryConfigSource } from '@sd/config'
import { type RateLimiter, SdError } from '@sd/core'
import { describe, expect, test, vi } from 'vitest'
import {
  bind,
  breakerOf,
  CircuitBreaker,
  ConfigSection,
  ConfigValue,
  NacosConfig,
  NacosValue,
  OnConfigChange,
  RateLimit,
  Retry,
  ServiceCall,
  ServiceClient,
  ServiceDiscovery,
  ServiceRegistry,
  sent,
  serviceOf,
  unbind,
} from './index.ts'

type Decorator = (...values: unknown[]) => unknown

/** Applies a decorator of methods to a class as legacy compilers do. */
function decorate(target: object, name: string, decorator: unknown): void {
  const made = (decorator as Decorator)(target, name, Object.getOwnPropertyDescriptor(target, name))
  Object.defineProperty(target, name, made as PropertyDescriptor)
}

const method: Decorator = async () => undefined
const contexts = {
  class: [class {}, { kind: 'class', addInitializer: () => undefined }],
  method: [method, { kind: 'method', name: 'm', addInitializer: () => undefined }],
  getter: [() => 1, { kind: 'getter', name: 'g', addInitializer: () => undefined }],
  field: [undefined, { kind: 'field', name: 'f', addInitializer: () => undefined }],
  'legacy field': [{}, 'f', undefined],
  'legacy method': [{}, 'm', { value: method }],
  'legacy getter': [{}, 'g', { get: () => 1 }],
  'legacy parameter': [{}, 'm', 0],
}

describe('a decorator at a wrong place is refused at the definition', () => {
  const classes = [ServiceClient('a'), ConfigSection('a'), NacosConfig({ dataId: 'a' }), ServiceRegistry({ service: 'a' })]
  const methods = [ServiceCall('GET /a'), CircuitBreaker(createCockatielBreaker), Retry(async () => 1), OnConfigChange('a')]
  const getters = [ConfigValue('a'), NacosValue('${a}'), ServiceDiscovery('a')]
  test.each([
    ['classes', classes, ['method', 'getter', 'field', 'legacy field', 'legacy method', 'legacy parameter']],
    ['methods', methods, ['class', 'getter', 'field', 'legacy field', 'legacy getter', 'legacy parameter']],
    ['getters and accessors', getters, ['class', 'method', 'field', 'legacy field', 'legacy method', 'legacy parameter']],
  ] as const)('%s', (wanted, decorators, places) => {
    for (const decorator of decorators) {
      for (const place of places) {
        let error: unknown
        try {
          ;(decorator as unknown as Decorator)(...contexts[place])
        } catch (caught) {
          error = caught
        }
        expect(error instanceof SdError && [error.code, error.message.includes(`is for ${wanted}`)], place).toEqual([
          'SD_INVALID',
          true,
        ])
      }
    }
  })

  test('with a word on what to write for a field', () => {
    expect(() => (ConfigValue('a') as unknown as Decorator)(...contexts.field)).toThrow(/write a getter/)
  })
})

test.each<[string, () => unknown]>([
  ['service', () => ServiceClient('')],
  ['route', () => ServiceCall('get /a' as never)],
  ['service', () => ServiceDiscovery('')],
  ['service', () => ServiceRegistry({ service: '' })],
  ['path', () => ConfigValue('')],
  ['requird', () => ConfigValue('a', { requird: true } as never)],
  ['path', () => OnConfigChange('')],
  ['path', () => ConfigSection('')],
  ['expression', () => NacosValue('db.size')],
  ['expression', () => NacosValue('${}')],
  ['dataId', () => NacosConfig({ dataId: '' })],
  ['make', () => CircuitBreaker(undefined as never)],
  ['fallback', () => CircuitBreaker(createCockatielBreaker, { fallback: 1 as never })],
  ['run', () => Retry(3 as never)],
  ['limiter.acquire', () => RateLimit({} as never)],
  ['key', () => RateLimit({ acquire: async () => undefined } as unknown as RateLimiter, { key: 'a' as never })],
])('a wrong %s is refused at the definition', (field, make) => {
  expect(make).toThrow(expect.objectContaining({ code: 'SD_INVALID', field }))
})

describe('bind', () => {
  test('refuses a field that hides a decorated getter, and unknown bindings', () => {
    class Base {
      get currency(): string {
        return 'EUR'
      }
    }
    const hiding = new Base()
    Object.defineProperty(hiding, 'currency', { value: 'USD' })
    expect(() => bind(hiding, {})).toThrow(expect.objectContaining({ code: 'SD_INVALID', field: 'Base.currency' }))
    expect(() => bind(new Base(), { clint: {} } as never)).toThrow(expect.objectContaining({ field: 'clint' }))
  })

  test('listens once, however often it is called, until unbind', async () => {
    const source = createMemoryConfigSource({ entries: { 'a.yaml': 'a: 1' } })
    const config = await createConfig({ sources: [source] })
    const seen = vi.fn()
    class Watching {
      onA(change: unknown): void {
        seen(change)
      }
    }
    decorate(Watching.prototype, 'onA', OnConfigChange('a'))
    const object = bind(bind(new Watching(), { config }), { config })
    bind(new Watching(), {})
    await source.put('a.yaml', 'a: 2')
    await config.reload()
    expect(seen.mock.calls).toEqual([[expect.objectContaining({ previous: 1, value: 2 })]])
    unbind(object)
    unbind(object)
    await source.put('a.yaml', 'a: 3')
    await config.reload()
    expect(seen).toHaveBeenCalledOnce()
    await config.close()
    await source.close()
  })
})

test('a call needs a service and a client, and says how to get them', async () => {
  class Plain {
    find(): Promise<unknown> {
      return sent()
    }
  }
  expect(() => new Plain().find()).toThrow(/the decorator is missing/)
  decorate(Plain.prototype, 'find', ServiceCall('GET /a'))
  await expect(new Plain().find()).rejects.toMatchObject({
    field: 'Plain.find',
    message: expect.stringContaining('@ServiceClient("…")'),
  })
  ;(ServiceClient('a') as unknown as Decorator)(Plain)
  expect([serviceOf(Plain), serviceOf(class extends Plain {}), serviceOf(class {})]).toEqual(['a', 'a', undefined])
  await expect(new Plain().find()).rejects.toMatchObject({
    field: 'Plain.find',
    message: expect.stringContaining('bind(new Plain(…)'),
  })
})

test.each([
  ['${a:10}', 10],
  ['${a:-1.5}', -1.5],
  ['${a:true}', true],
  ['${a:false}', false],
  ['${a:}', ''],
  ['${a:1.2.3}', '1.2.3'],
  ['${a:http://x:1}', 'http://x:1'],
  ['${a}', 'own'],
])('the default of %s', (expression, value) => {
  class Settings {
    get a(): unknown {
      return 'own'
    }
  }
  decorate(Settings.prototype, 'a', NacosValue(expression))
  expect(new Settings().a).toBe(value)
})

test('breakers belong to an object and a method, and a static method has one too', async () => {
  class Orders {
    async place(): Promise<string> {
      return 'placed'
    }
    static async all(): Promise<string> {
      return 'all'
    }
  }
  const made = vi.fn(createCockatielBreaker)
  decorate(Orders.prototype, 'place', CircuitBreaker(made))
  decorate(Orders, 'all', CircuitBreaker(made, { name: 'everything' }))
  const [one, other] = [new Orders(), new Orders()]
  expect(await Promise.all([one.place(), one.place(), other.place(), Orders.all()])).toEqual([
    'placed',
    'placed',
    'placed',
    'all',
  ])
  expect(made.mock.calls).toEqual([[{ name: 'Orders.place' }], [{ name: 'Orders.place' }], [{ name: 'everything' }]])
  expect(breakerOf(one, 'place')).not.toBe(breakerOf(other, 'place'))
  expect(breakerOf(one, 'all')).toBeUndefined()
})
