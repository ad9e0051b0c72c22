import { escapeName, unescapeName } from '@sd/core'

/**
 * Names that Nacos accepts unchanged, including the colons of Dubbo's names. `~` is excluded because it marks an
 * escape.
 */
const plain = /^[A-Za-z0-9][\w.:-]*$/

/** Returns the name of a service in Nacos, which allows no white space, `@@` or Chinese characters in names. */
export function toNacosName(service: string): string {
  return plain.test(service) ? service : escapeName(service)
}

/** Returns the service of a name that Nacos lists, with or without its group (`group@@name`). */
export function fromNacosName(name: string): string {
  const separator = name.indexOf('@@')
  return unescapeName(separator < 0 ? name : name.slice(separator + 2))
}
