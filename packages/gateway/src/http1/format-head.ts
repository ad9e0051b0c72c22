/** The head of a response as it is sent, in Latin-1. Fields that are more than one line are left out. */
export function formatHead(status: number, statusText: string, rawHeaders: readonly string[]): string {
  let head = `HTTP/1.1 ${status} ${statusText}\r\n`
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const value = rawHeaders[index + 1] as string
    if (/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) head += `${rawHeaders[index]}: ${value}\r\n`
  }
  return `${head}\r\n`
}
