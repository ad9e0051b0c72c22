/** Returns the parent of a path. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}
