import { checkConfigKey, isConfigKey } from '@sd/adapter-kit'
import type { ResolvedEnvConfigSourceOptions } from './options.ts'

/** The key of a variable; `undefined` if it has none. @throws SdError `SD_INVALID` if the naming function returns an invalid key */
export function keyOfVariable(
  variable: string,
  { prefix, separator, naming }: ResolvedEnvConfigSourceOptions,
): string | undefined {
  if (!variable.startsWith(prefix)) return undefined
  const name = variable.slice(prefix.length)
  if (typeof naming === 'function') {
    const key = naming(name)
    return key === undefined ? undefined : checkConfigKey(`naming(${JSON.stringify(name)})`, key)
  }
  const segments = name.split(separator).map((segment) => rename[naming](segment))
  const key = segments.join('/')
  return isConfigKey(key) && !segments.includes('__proto__') ? key : undefined
}

const rename = {
  lower: (segment: string) => segment.toLowerCase(),
  camel: (segment: string) => segment.toLowerCase().replaceAll(/(?<=[^_])_+(.)/g, (_, next: string) => next.toUpperCase()),
  keep: (segment: string) => segment,
}
