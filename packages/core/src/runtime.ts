/** The oldest supported version of Node. */
const oldest = [22, 19] as const

/**
 * Returns a message if this runtime is too old, otherwise `undefined`. Bun and Deno, which also report a Node version,
 * are always accepted.
 *
 * @param versions as in `process.versions`
 */
export function describeOldRuntime(versions: Readonly<Record<string, string | undefined>> | undefined): string | undefined {
  if (versions?.['node'] === undefined || versions['bun'] !== undefined || versions['deno'] !== undefined) return undefined
  const [major = 0, minor = 0] = versions['node'].split('.').map(Number)
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return undefined
  return `Node ${versions['node']} is too old for the @sd packages: they need Node ${oldest.join('.')} or newer`
}
