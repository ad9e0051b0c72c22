const entityTag = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g

/** The tag of the same response in another coding: it is the same in meaning, and not in bytes (RFC 9110, 8.8.3.3). */
export function toWeakTag(tag: string): string {
  return tag.startsWith('W/') ? tag : `W/${tag}`
}

/** Whether a list of tags has the weak form of a strong one. @param list value of `if-none-match` */
export function hasWeakForm(list: string, tag: string): boolean {
  for (const [, weak, opaque] of list.matchAll(entityTag)) if (weak !== undefined && opaque === tag) return true
  return false
}

/** A list of tags, in which those that are weak have become strong. */
export function toStrongTags(list: string): string {
  return list.replace(entityTag, '$2')
}
