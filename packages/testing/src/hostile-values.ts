import { createSeededRandom } from './seeded-random.ts'

/** Generates values of every kind that can break code which must never throw. */
export interface HostileValues {
  /** Returns the next value. */
  next(): unknown
  /** Returns the next value that is an object and may contain others. */
  nextObject(): object
  /** Returns the next error, or another value that some programs throw. */
  nextError(): unknown
}

/** Maximum nesting of values. */
const maxDepth = 4

/**
 * Creates a seeded generator of values that come from outside or from mistakes: getters, `toJSON` and `toString` that
 * throw, proxies (also revoked ones), objects without prototype, cycles, BigInts, symbols, functions, invalid dates, lone
 * surrogates, control characters, long strings, sparse and typed arrays, errors with any kind of cause. Use many of them
 * to test code that must never throw, such as logging and metrics.
 */
export function createHostileValues(seed: number): HostileValues {
  const random = createSeededRandom(seed)
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
  const text = (): string => pickText(pick)
  const primitive = (): unknown => pickPrimitive(pick)
  const trap = (): object => pickTrap(pick)

  function proxy(depth: number): object {
    const { proxy: revoked, revoke } = Proxy.revocable({}, {})
    revoke()
    const { proxy: revokedFunction, revoke: revokeFunction } = Proxy.revocable(() => undefined, {})
    revokeFunction()
    // A proxy that returns the same for every property, `true` included.
    const always = random() < 0.2 ? true : value(depth + 1)
    const everything = { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail }
    return pick([
      revoked,
      revokedFunction,
      new Proxy({}, everything),
      new Proxy([], { get: fail }),
      new Proxy(new Error('proxied'), { get: fail }),
      new Proxy({ a: 1 }, { ownKeys: fail }),
      new Proxy({}, { get: () => always, ownKeys: () => ['a', 'b'], getOwnPropertyDescriptor: () => enumerable }),
    ])
  }

  function error(depth: number): unknown {
    const made = pick<() => Error>([
      () => new Error(text()),
      () => new TypeError(text(), { cause: value(depth + 1) }),
      () => new AggregateError([value(depth + 1), value(depth + 1)], text()),
      () => Object.assign(new Error(text()), { code: value(depth + 1), details: value(depth + 1) }),
      () => Object.assign(new Error('x'), { name: value(depth + 1), message: value(depth + 1), stack: value(depth + 1) }),
      () => Object.defineProperty(new Error('x'), pick(['message', 'name', 'stack', 'cause', 'code']), { get: fail }),
      () => {
        const circular: Error & { cause?: unknown } = new Error('x')
        circular.cause = circular
        return circular
      },
      () => Object.setPrototypeOf(new Error('x'), null) as Error,
      () => Object.create(Error.prototype) as Error,
      () => new DOMException('x', 'AbortError') as unknown as Error,
    ])()
    return made
  }

  function container(depth: number): object {
    const circular: Record<string, unknown> = { a: value(depth + 1) }
    circular['self'] = circular
    const ring: unknown[] = [value(depth + 1)]
    ring.push(ring)
    return pick<() => object>([
      () => ({ [text()]: value(depth + 1), b: value(depth + 1) }),
      () => Object.assign(Object.create(null), { a: value(depth + 1), toString: value(depth + 1) }),
      () => [value(depth + 1), value(depth + 1)],
      () => circular,
      () => ring,
      () => new Map([[value(depth + 1), value(depth + 1)]]),
      () => new Set([value(depth + 1)]),
      () => new Date(Number.NaN),
      () => new Array(5),
      () => Buffer.from([0, 255, 128]),
      () => new Float64Array([Number.NaN, 1]),
      () => new WeakMap(),
      () => Promise.resolve(1),
      () => Object.freeze({ a: value(depth + 1) }),
      () => new URL('http://u:p@h/'),
      () => new (class extends Map {})(),
      () => JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":1}}') as object,
    ])()
  }

  function value(depth: number): unknown {
    if (depth >= maxDepth) return primitive()
    const roll = random()
    if (roll < 0.35) return primitive()
    if (roll < 0.5) return proxy(depth)
    if (roll < 0.65) return trap()
    return roll < 0.8 ? error(depth) : container(depth)
  }

  return {
    next: () => value(0),
    nextObject: () => pick([() => proxy(0), trap, () => error(0) as object, () => container(0), () => container(0)])(),
    nextError: () => (random() < 0.7 ? error(0) : value(0)),
  }
}

const enumerable: PropertyDescriptor = { enumerable: true, configurable: true }

type Pick = <T>(values: readonly T[]) => T

function fail(): never {
  throw new Error('hostile')
}

function pickPrimitive(pick: Pick): unknown {
  return pick<unknown>([
    ...[undefined, null, true, false, 0, -0, 1, -1, 1e308, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ...[2 ** 53, 10n ** 30n, -1n, Symbol('s'), Symbol.iterator, Symbol.for('sd'), fail, () => undefined, class A {}],
    pickText(pick),
  ])
}

function pickText(pick: Pick): string {
  return pick([
    ...['', ' ', '\0', '\n', '\r\n', '"', '\\', '\u2028', '\ud800', '\udc00\ud800', '\u202e', '🦄', '__proto__', 'constructor'],
    ...['%s %d %j %o %O', '{}', '</script>', '\u001b[31m', 'x'.repeat(100_000), '\n'.repeat(1_000)],
  ])
}

function pickTrap(pick: Pick): object {
  const throwing = { enumerable: true, configurable: true, get: fail }
  return pick<object>([
    Object.defineProperty({}, pick(['a', 'toJSON', 'then', 'name', 'message', 'stack', 'code', 'err', 'constructor']), throwing),
    { toJSON: fail },
    { toString: fail, valueOf: fail },
    { [Symbol.toPrimitive]: fail },
    {
      get [Symbol.toStringTag]() {
        return fail()
      },
    },
    { toJSON: () => 10n },
    new (class Trap {
      get name() {
        return fail()
      }
    })(),
  ])
}
