import { createHmac, timingSafeEqual } from 'node:crypto'
import { checkText, type Endpoint, invalidError } from '@sd/core'

/** What a cookie says. */
export interface AffinityClaim {
  /** Names the target of the route. */
  readonly target: string
  /** Names the instance. */
  readonly instance: string
  /** End of its validity, in Unix seconds. */
  readonly expiresAt: number
  /** The key that signed it. */
  readonly key: AffinityKey
}

// Octets of a cookie: the end of its validity, the target, the instance, the signature.
const expiryBytes = 4
const targetBytes = 4
const instanceBytes = 12
const signatureBytes = 16
const claimBytes = expiryBytes + targetBytes + instanceBytes
const cookiePattern = new RegExp(`^[\\w-]{${((claimBytes + signatureBytes) * 8) / 6}}$`)

/** A secret of the gateway. What it names by a keyed hash can't be read, guessed or made without it. */
export class AffinityKey {
  readonly #secret: string
  /** Endpoints live longer than their lists. */
  readonly #names = new WeakMap<Endpoint, string>()
  readonly #lists = new WeakMap<readonly Endpoint[], ReadonlyMap<string, Endpoint>>()

  constructor(secret: string) {
    this.#secret = secret
  }

  /** Names an instance, by its service and id. */
  nameEndpoint(endpoint: Endpoint): string {
    let name = this.#names.get(endpoint)
    if (name === undefined) {
      const { service, id } = endpoint.instance
      name = this.#hash(['instance', service, id], instanceBytes).toString('base64url')
      this.#names.set(endpoint, name)
    }
    return name
  }

  /** Names a target of a route. */
  nameTarget(service: string, selector: string): string {
    return this.#hash(['target', service, selector], targetBytes).toString('base64url')
  }

  /** The endpoint of this name. Names of a list are computed once. */
  find(endpoints: readonly Endpoint[], name: string): Endpoint | undefined {
    let byName = this.#lists.get(endpoints)
    if (!byName) {
      byName = new Map(endpoints.map((endpoint) => [this.nameEndpoint(endpoint), endpoint]))
      this.#lists.set(endpoints, byName)
    }
    return byName.get(name)
  }

  /** The value of a cookie. */
  seal(cookie: string, { target, instance, expiresAt }: Omit<AffinityClaim, 'key'>): string {
    const bytes = Buffer.alloc(claimBytes)
    bytes.writeUInt32BE(expiresAt)
    bytes.write(target, expiryBytes, 'base64url')
    bytes.write(instance, expiryBytes + targetBytes, 'base64url')
    return Buffer.concat([bytes, this.#sign(cookie, bytes)]).toString('base64url')
  }

  /** Whether this key has signed these octets. */
  hasSigned(cookie: string, claim: Uint8Array, signature: Uint8Array): boolean {
    return timingSafeEqual(this.#sign(cookie, claim), signature)
  }

  #sign(cookie: string, claim: Uint8Array): Buffer {
    return this.#hash(['cookie', cookie, claim], signatureBytes)
  }

  /** No part has a null character, but for the last. */
  #hash(parts: readonly (string | Uint8Array)[], bytes: number): Buffer {
    const hash = createHmac('sha256', this.#secret)
    for (const [index, part] of parts.entries()) hash.update(index === 0 ? '' : '\0').update(part)
    return hash.digest().subarray(0, bytes)
  }
}

/** Prepares the secrets of affinity cookies. @throws SdError `SD_INVALID` that does not quote one */
export function createAffinityKeys(field: string, secrets: unknown): AffinityKey[] {
  if (!Array.isArray(secrets) || secrets.length > 10) throw invalidError(field, 'another value', 'an array of at most 10 secrets')
  return secrets.map((secret, index) => {
    if (typeof secret !== 'string' || secret.length < 32) {
      throw invalidError(`${field}[${index}]`, 'another value', 'a random text of at least 32 characters')
    }
    return new AffinityKey(checkText(`${field}[${index}]`, secret, 1_024))
  })
}

/** Reads a cookie. @returns `undefined` if none of the keys has signed it */
export function openCookie(cookie: string, value: string, keys: readonly AffinityKey[]): AffinityClaim | undefined {
  if (!cookiePattern.test(value)) return undefined
  const bytes = Buffer.from(value, 'base64url')
  const claim = bytes.subarray(0, claimBytes)
  const key = keys.find((one) => one.hasSigned(cookie, claim, bytes.subarray(claimBytes)))
  if (!key) return undefined
  return {
    expiresAt: claim.readUInt32BE(),
    target: claim.toString('base64url', expiryBytes, expiryBytes + targetBytes),
    instance: claim.toString('base64url', expiryBytes + targetBytes),
    key,
  }
}
