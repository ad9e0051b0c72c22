import { createKeyring, type Keyring } from '../index.ts'

/** Keys of the committed vectors. */
export const sampleKeys: Readonly<Record<string, Uint8Array>> = {
  'test-1': Uint8Array.from({ length: 32 }, (_, index) => index),
  'test-2': new Uint8Array(32).fill(0xa5),
}

/** A keyring of the named sample keys; the first is the primary. */
export function createSampleKeyring(primary: string = 'test-1', ...others: readonly string[]): Keyring {
  const keys = Object.fromEntries([primary, ...others].map((keyId) => [keyId, sampleKeys[keyId] ?? new Uint8Array(32)]))
  return createKeyring({ keys, primary })
}

/** Ciphertexts of formats 1 and 2. They must stay readable: add vectors, never change one. */
export const vectors: readonly {
  readonly path?: string
  readonly key?: string
  readonly plaintext: string
  readonly ciphertext: string
}[] = [
  {
    path: 'db.password',
    plaintext: 's3cret',
    ciphertext:
      'ENC[test-1:AQA8KapC5Z8MpyvV9Y6-yLBNs4SamaxIuitKTAT6cRExuMJ-Gqfn46tDGi7TYxcGgWzXfhUf7rAHCIbn4p3zFFyUXrdbWrmA-GWWNRoPCr_PCom1BS2-UwYrHhcsqirk9A]',
  },
  {
    path: 'db.password',
    key: 'orders.yaml',
    plaintext: 'format two',
    ciphertext:
      'ENC[test-1:AgA8-clbeOD77kjrhWcEkJZ1g_It5lYKCgUD_kAQGRhrN8td3JjgLoC5PdPyXZNL3cuN_UlOLrQXM1eB7k_QBRsxnjCmI9KS36JXj72CMkzq2vcJE0UZgfXy3w9fCjb4vfd1FUs]',
  },
  {
    path: 'empty',
    plaintext: '',
    ciphertext:
      'ENC[test-1:AQA8osW3mqTjIjj37g_sRV00XpkQ_jDrLmmFeMzC72H7_7kzfX25c3oNmFOtiiEdCWxbrz_3BTiEjdXC4Vp7x3qhS9RbGx-E5XDoFjxA2MyBWjWoubJbwasTzw]',
  },
  {
    path: 'größe.text',
    plaintext: 'Grüße 🔑\n',
    ciphertext:
      'ENC[test-1:AQA8U-A5PhP0mOHr6n4x5u5IyxdUuRbK9ZHJsRnk757owKI6n8ZobtYoHbtxA1AnlvTrnYjTPtZG29bGM6Yuu_wVBZMw3xrktwylct5rAHM4iY_Po5CME0mUyIGYrfiIgOPxS3w-MJ8]',
  },
  {
    key: 'orders.yaml',
    plaintext: 'db:\n  password: s3cret\n',
    ciphertext:
      'ENC[test-1:AQA8cR3Q7S0UlpafwtKvB_UofRzR0-Za97y7tyZBsFO7hRU6DGT4JvLQ4Z4LT-xw5hhx5Q184E7sPqRn1BcJXNXQmFn-t-9pYON7j0hWS71soWawbxdhSVykmE45_pmDuWwICRhcSRGHX8a90SXThJ4c]',
  },
]
