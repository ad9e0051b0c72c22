/**
 * 32-bit FNV-1a over UTF-16 code units, with MurmurHash3's finaliser, because FNV alone leaves similar keys close together.
 *
 * @param seed gives a second, independent hash of the same text
 * @see http://www.isthe.com/chongo/tech/comp/fnv/ and https://github.com/aappleby/smhasher
 */
export function hashText(text: string, seed: number = 0): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return mixBits(hash)
}

/** MurmurHash3's 32-bit finaliser: every input bit flips about half of the output bits. */
export function mixBits(value: number): number {
  let mixed = value
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
