/** Form of a key that ignores case, dashes and underscores. */
export function relaxed(key: string): string {
  return key.replaceAll(/[-_]/g, '').toLowerCase()
}
