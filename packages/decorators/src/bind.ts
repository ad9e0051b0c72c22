import type { ServiceClient } from '@sd/client'
import type { Config } from '@sd/config'
import { checkKnownKeys, checkObject, SdError } from '@sd/core'
import type { Discovery } from '@sd/discovery'
import { hooksOf, unboundError } from './decorator-kinds.ts'

/** What decorated members use. */
export interface Bindings {
  /** For {@link ServiceCall}. */
  readonly client?: ServiceClient
  /** For {@link ConfigValue}, {@link ConfigSection} and {@link OnConfigChange}. */
  readonly config?: Config
  /** For {@link ServiceDiscovery}. */
  readonly discovery?: Discovery
}

const bindings = new WeakMap<object, Bindings>()
const endings = new WeakMap<object, (() => void)[]>()

/**
 * Gives an object what its decorated members use: what a container does.
 *
 * @returns the object
 * @throws SdError `SD_INVALID` for a field that hides a decorated member of its class
 */
export function bind<T extends object>(object: T, given: Bindings): T {
  checkKnownKeys('', checkObject('bindings', given), ['client', 'config', 'discovery'])
  refuseHiding(object)
  unbind(object)
  bindings.set(object, given)
  endings.set(
    object,
    hooksOf(object).flatMap((hook) => hook(object) ?? []),
  )
  return object
}

/** Ends what {@link bind} began: listeners of {@link OnConfigChange}. Idempotent. */
export function unbind(object: object): void {
  for (const end of endings.get(object) ?? []) end()
  endings.delete(object)
  bindings.delete(object)
}

/** What an object was bound to. */
export function bindingsOf(object: object): Bindings {
  return bindings.get(object) ?? {}
}

/** One of the bindings. @throws SdError `SD_INVALID` that says how to bind */
export function requireBinding<Name extends keyof Bindings>(
  object: object,
  name: Name,
  member: string,
): NonNullable<Bindings[Name]> {
  const found = bindingsOf(object)[name]
  if (found === undefined) throw unboundError(object, member, name)
  return found as NonNullable<Bindings[Name]>
}

/** An own property is found before the getter of the class: it would keep its first value. */
function refuseHiding(object: object): void {
  for (const name of Object.getOwnPropertyNames(object)) {
    for (let at: object | null = Object.getPrototypeOf(object); at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
      if (typeof Object.getOwnPropertyDescriptor(at, name)?.get !== 'function') continue
      const place = `${object.constructor.name}.${name}`
      throw new SdError(
        'SD_INVALID',
        `${place} is a field that hides a getter of its class: write "declare readonly ${name}", or leave it out`,
        {
          field: place,
        },
      )
    }
  }
}
