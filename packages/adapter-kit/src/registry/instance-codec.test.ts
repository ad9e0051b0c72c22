import {
  createServiceInstance,
  HEALTH_STATUSES,
  type InstanceSpec,
  SdError,
  type ServiceInstance,
  subscribeTelemetry,
  type TelemetryEvents,
  updateServiceInstance,
} from '@sd/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildForeignInstance, decodeEntries, decodeInstance, encodeInstance, parseJsonObject } from './instance-codec.ts'

const place = { service: 'orders', id: 'a' }

const name = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 40 })
  .map((text) => `${text.toWellFormed().replaceAll(/\p{Cc}/gu, '')}x`.trim())
const text = fc.string({ unit: 'binary', maxLength: 40 }).map((one) => one.toWellFormed())
const labels = fc.dictionary(
  fc.oneof(
    fc.constantFrom('__proto__', 'constructor', 'toString'),
    name.filter((key) => !key.startsWith('sd.')),
  ),
  text,
  { noNullPrototype: false },
)
const time = fc.nat()
const specs: fc.Arbitrary<InstanceSpec> = fc.record(
  {
    service: name,
    id: name,
    address: fc.oneof(fc.domain(), fc.ipV4(), fc.constantFrom('::1', 'fe80::1', 'localhost')),
    port: fc.integer({ min: 1, max: 65_535 }),
    protocol: fc.constantFrom('http', 'grpc', 'h2+tls'),
    version: name,
    weight: fc.double({ min: 0, max: 65_535, noNaN: true }),
    priority: fc.nat(65_535),
    tags: fc.array(name, { maxLength: 5 }),
    metadata: labels,
    locality: fc.record({ region: name, zone: name, subZone: name }, { requiredKeys: [] }),
    health: fc.record(
      { status: fc.constantFrom(...HEALTH_STATUSES), message: text, checkedAt: time, details: labels },
      { requiredKeys: ['status'] },
    ),
    ttlMs: fc.integer({ min: 100, max: 1_000_000 }),
  },
  { requiredKeys: ['service', 'address', 'port'] },
)

describe('an instance document', () => {
  test('preserves every field of any instance, and the incarnation', () => {
    fc.assert(
      fc.property(specs, time, time, (spec, createdAt, updatedAt) => {
        const instance = createServiceInstance(spec, { createdAt, updatedAt })
        const decoded = decodeInstance(encodeInstance(instance, 'me'), instance)
        // Compared as text, because a weight of -0 is 0 in JSON.
        expect(encodeInstance(decoded.instance, 'me')).toBe(encodeInstance(instance, 'me'))
        expect([decoded.incarnation, Object.isFrozen(decoded.instance)]).toEqual(['me', true])
      }),
    )
  })

  test('belongs to the location where it was found, and may have fields of a later version', () => {
    const instance = createServiceInstance({ service: 'other', id: 'z', address: '10.0.0.1', port: 80 })
    const document = { ...JSON.parse(encodeInstance(instance, 'me')), colour: 'red', locality: null }
    const decoded = decodeInstance(JSON.stringify(document), place)
    expect(decoded.instance).toMatchObject(place)
    expect('locality' in decoded.instance).toBe(false)
  })

  test('of another tool needs only an address and a port', () => {
    const document = { address: '10.0.0.1', port: 80, createdAt: -1, updatedAt: 'today', incarnation: 7 }
    const { instance, incarnation } = decodeInstance(JSON.stringify(document), place)
    expect(instance).toMatchObject({ ...place, protocol: 'http', weight: 1, health: { status: 'healthy' } })
    expect([instance.createdAt > 0, instance.updatedAt === instance.createdAt, incarnation]).toEqual([true, true, undefined])
  })

  test.each([
    ['', 'instance a of orders is not valid JSON', undefined],
    ['{', 'instance a of orders is not valid JSON', undefined],
    ['null', 'instance a of orders is not a JSON object', undefined],
    ['[]', 'instance a of orders is not a JSON object', undefined],
    ['7', 'instance a of orders is not a JSON object', undefined],
    ['{"address":"a b","port":1}', 'instance a of orders: Invalid address', 'address'],
    ['{"address":"a"}', 'instance a of orders: Invalid port', 'port'],
    ['{"address":"a","port":1,"health":7}', 'instance a of orders: Invalid health', 'health'],
    ['{"address":"a","port":1,"metadata":{"sd.x":"y"}}', 'instance a of orders: Invalid metadata["sd.x"]', 'metadata["sd.x"]'],
  ])('%j is malformed', (document, message, field) => {
    expect(() => decodeInstance(document, place)).toThrow(
      expect.objectContaining({ code: 'SD_MALFORMED', retryable: false, message: expect.stringContaining(message) }),
    )
    expect(() => decodeInstance(document, place)).toThrow(expect.objectContaining({ ...(field && { field }) }))
  })

  test('gives a valid instance or is malformed, for any content', () => {
    const valid = fc
      .tuple(specs, fc.string())
      .map(([spec, incarnation]) => encodeInstance(createServiceInstance(spec), incarnation))
    const damaged = fc
      .tuple(valid, fc.nat(), fc.nat(20), fc.string({ unit: 'binary', maxLength: 3 }))
      .map(([document, at, length, noise]) => {
        const from = at % document.length
        return document.slice(0, from) + noise + document.slice(from + length)
      })
    const keys = [...Object.keys(createServiceInstance({ service: 's', address: 'a', port: 1 })), 'version', 'locality', 'ttlMs']
    const odd = fc.oneof(fc.jsonValue(), fc.constantFrom({ status: {} }, { region: 7 }, { details: { a: 1 } }, [null], -1, 1e300))
    const misfit = fc
      .tuple(specs, fc.dictionary(fc.constantFrom(...keys), odd))
      .map(([spec, wrong]) => JSON.stringify({ ...createServiceInstance(spec), ...wrong }))
    const documents = fc.oneof(valid, damaged, misfit, fc.json(), fc.string({ unit: 'binary' }))
    fc.assert(
      fc.property(
        documents,
        fc.oneof(fc.constant(place), fc.record({ service: fc.string(), id: fc.string() })),
        (document, found) => {
          let instance: ServiceInstance
          try {
            instance = decodeInstance(document, found).instance
          } catch (error) {
            expect(error instanceof SdError && error.code).toBe('SD_MALFORMED')
            return
          }
          const { createdAt, updatedAt, ...spec } = instance
          expect(createServiceInstance(spec, { createdAt, updatedAt })).toEqual(instance)
          expect(updateServiceInstance(instance, {}, updatedAt)).toEqual(instance)
          expect([Number.isSafeInteger(createdAt), Number.isSafeInteger(updatedAt)]).toEqual([true, true])
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

test('parseJsonObject keeps the cause, and names the text', () => {
  expect(parseJsonObject('{"a":1}', 'the thing')).toEqual({ a: 1 })
  expect(() => parseJsonObject('{', 'the thing')).toThrow(
    expect.objectContaining({ message: 'the thing is not valid JSON', cause: expect.any(SyntaxError) }),
  )
})

describe('buildForeignInstance', () => {
  test('skips undefined and null', () => {
    const instance = buildForeignInstance({ ...place, address: 'a', port: 1, version: undefined, locality: null as never })
    expect(Object.keys(instance)).not.toContain('version')
    expect(Object.keys(instance)).not.toContain('locality')
  })

  test('names the location as far as it is known', () => {
    expect(() => buildForeignInstance({ address: 'a', port: 1 })).toThrow(/^instance {2}of : Invalid service/)
  })
})

test('decodeEntries skips unreadable entries and publishes them, and skips other entries silently', () => {
  const events: TelemetryEvents['sd:v1:backend:operation'][] = []
  const stop = subscribeTelemetry('sd:v1:backend:operation', (event) => events.push(event))
  const good = JSON.stringify({ address: 'a', port: 1 })
  const instances = decodeEntries('test', 'orders', [good, '', '{', 'boom'], (entry) => {
    if (entry === '') return undefined
    if (entry === 'boom') throw new Error('boom')
    return decodeInstance(entry, place).instance
  })
  stop()
  expect(instances).toHaveLength(1)
  expect(events).toMatchObject([
    { backend: 'test', operation: 'decode', service: 'orders', error: { code: 'SD_MALFORMED' } },
    { error: { code: 'SD_MALFORMED', message: "test: an instance of orders can't be decoded: boom" } },
  ])
})
