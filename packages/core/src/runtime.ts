/** The oldest Node that the packages run on. */
const oldest = [22, 19] as const

/**
 * Why this runtime is too old, in a sentence; `undefined` if it is not. Bun and Deno, which also name a version of Node, are taken as they are.
 *
 * @param versions as in `process.versions`
 */
export function describeOldRuntime(versions: Readonly<Record<string, string | undefined>> | undefined): string | undefined {
  if (versions?.['node'] === undefined || versions['bun'] !== undefined || versions['deno'] !== undefined) return undefined
  const [major = 0, minor = 0] = versions['node'].split('.').map(Number)
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return undefined
  return `Node ${versions['node']} is too old for the packages of @sd: they need Node ${oldest.join('.')} or newer`
}
